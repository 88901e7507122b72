"""`mlsh bootstrap`: make boxes ready, and take it away again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.bootstrap.desired import Desired
    from mlsh.box import Box
    from mlsh.config import Settings

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_MAKE = "make"


def _complete_step(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    from mlsh.bootstrap.steps import BUILT_IN

    return [CompletionItem(name, help=text) for name, text in BUILT_IN.items() if name.startswith(incomplete)]


class _Make(click.Command):
    """`mlsh bootstrap BOX`: it has no name of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None and info_name == _MAKE:
            info_name, parent = parent.info_name, parent.parent
        return super().make_context(info_name, args, parent, **extra)


class _Bootstrap(click.Group):
    """A group in which a word that is none of its commands is a box."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mine = args[: args.index("--")] if "--" in args else args
        if args and args[0] not in self.commands:
            args = ["--help"] if {"-h", "--help"} & set(mine) else [_MAKE, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return _MAKE, make, args[args[0] == _MAKE :]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        boxes = [click.shell_completion.CompletionItem(name) for name in complete_box(ctx, make.params[0], incomplete)]
        return [*super().shell_complete(ctx, incomplete), *boxes]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        whole = click.Context(make, ctx.parent, ctx.info_name, help_option_names=ctx.help_option_names)
        make.format_usage(whole, formatter)
        make.format_help_text(whole, formatter)
        make.format_options(whole, formatter)
        self.format_commands(ctx, formatter)
        make.format_epilog(whole, formatter)


@click.group("bootstrap", cls=_Bootstrap, context_settings=_HELP, no_args_is_help=True)
def command() -> None:
    """Make boxes ready."""


@click.command(
    "bootstrap",
    cls=_Make,
    context_settings=_HELP,
    epilog="Steps: dotfiles, env, aliases, uv, tools, git, locale, caches, secrets, linger, gpu (status -h)",
)
@click.argument("boxes", nargs=-1, required=True, metavar="BOX...", shell_complete=complete_box)
@click.option("--dry-run", is_flag=True, help="Show the plan, with diffs, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask. Needed where there is no terminal to ask at.")
@click.option("--remove", is_flag=True, help="Take away what bootstrap did there: each file is as it was before.")
@click.option(
    "--only", metavar="STEP", multiple=True, shell_complete=_complete_step, help="Only this step. Repeatable."
)
@click.option("--skip", metavar="STEP", multiple=True, shell_complete=_complete_step, help="Not this step. Repeatable.")
@click.option("--profile", metavar="NAME", default="default", help="A profile of the settings instead of the default.")
@click.option("--no-sudo", is_flag=True, help="Use no root's rights, though sudo may give them.")
@json_option
@common
def make(
    boxes: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    remove: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    profile: str,
    no_sudo: bool,
    as_json: bool,
) -> None:
    """Make boxes ready: dotfiles, uv and a Python, rg, fd, fzf, zoxide, just, nvitop, and more.

    Shows what it would do, asks, and does it on all boxes side by side. Nothing of yours is overwritten, a second
    run changes nothing, and --remove takes all of it away again. Root's rights are used only for packages, and only
    where sudo gives them without a question.

    \b
    --json: box, status (ok, planned, changed, failed, removed, kept), error, and
    steps: step, status, done, notes, error; with --dry-run step, changes, notes, has;
    with --remove back, kept, left (docs/reference/json.md)
    """
    from mlsh.bootstrap.steps import chosen, every
    from mlsh.errors import UsageError

    if remove and skip:
        raise UsageError("--remove and --skip don't go together", "name what is to go: --remove --only STEP")
    if not (yes or dry_run or (os.isatty(0) and os.isatty(2))):
        raise UsageError(
            "bootstrap asks before it changes a box, and there is no terminal to ask at",
            f"look first: mlsh bootstrap {boxes[0]} --dry-run; then: mlsh bootstrap {boxes[0]} -y",
        )
    settings, opened = _open(boxes)
    steps = every()
    if remove:
        from mlsh.cli.bootstrap_remove import take_away

        chosen(steps, only, (), None)
        take_away(opened, steps, only, dry_run, yes, as_json)
        return
    from mlsh.cli.bootstrap_make import give

    desired = wanted(settings, profile, no_sudo)
    steps = chosen(steps, only, [*skip, *desired.skip] if not only else skip, desired.steps)
    give(opened, steps, desired, dry_run, yes, as_json)


@command.command("status", context_settings=_HELP, short_help="What bootstrap has done on boxes.")
@click.argument("boxes", nargs=-1, required=True, metavar="BOX...", shell_complete=complete_box)
@json_option
@common
def status(boxes: tuple[str, ...], as_json: bool) -> None:
    """What bootstrap has done on boxes, as their receipts say it, and what was changed there since.

    \b
    Steps:
      dotfiles  shells, tmux, git, vim and readline, behind one line in each file of yours
      env       the box's shells read what the other steps set; ~/.local/bin on the PATH
      aliases   your aliases (mlsh alias), in the box's shells too
      uv        uv, and a Python where the box has none of 3.9 or newer
      tools     rg, fd, fzf, zoxide, just, and nvitop where there is an NVIDIA GPU
      git       who you are for git, and on request signing by your forwarded agent
      locale    locale and time zone, where they are named in the settings
      caches    caches of Hugging Face, pip, uv and PyTorch on the large disk, where there is one
      secrets   token files from the keyring, where they are named in the settings
      linger    systemd keeps tmux alive after you log out, where it would not
      gpu       a real kernel runs on each GPU, where torch or nvcc is there

    \b
    --json: box, error, entries: step, kind, path, node, before, after, state (as-left, changed, gone, unknown)
    """
    from mlsh.cli.bootstrap_status import show

    show(_open(boxes)[1], as_json)


def _open(names: Sequence[str]) -> tuple[Settings, list[Box]]:
    from mlsh import config
    from mlsh.box import open_box

    settings = config.load()
    return settings, [open_box(name, settings) for name in dict.fromkeys(names)]


def wanted(settings: Settings, profile: str, no_sudo: bool) -> Desired:
    """What is wanted: the settings, a project's file, the person's git. Raises ConfigError."""
    from pathlib import Path

    import msgspec

    from mlsh import config
    from mlsh.bootstrap import desired as wishes
    from mlsh.jobs.groups import project_file

    try:
        file = project_file(Path.cwd())
    except OSError:
        file = None
    project = wishes.read_project(file) if file else {}
    found = wishes.read(
        settings.bootstrap, project, profile, (str(config.config_dir() / "config.toml"), str(file or "mlsh.toml"))
    )
    from mlsh.aliases import book, store
    from mlsh.aliases.shell_init import box_files
    from mlsh.bootstrap.person import git_of_here, secrets_of_here

    return msgspec.structs.replace(
        found,
        sudo=found.sudo and not no_sudo,
        git=git_of_here(found.git),
        aliases=box_files(),
        has_aliases=bool(book.of_boxes(store.load())),
        secret_values=secrets_of_here(found.secrets),
    )


def who() -> str:
    """Who holds a lock, for whoever finds it taken."""
    import getpass
    import socket

    return f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"


def put(fields: dict[str, Any]) -> None:
    """A line of JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
    sys.stdout.flush()


def complain(error: Any) -> None:
    """An error of ours on stderr, and what to do next."""
    from mlsh.shell.visible import printable

    click.echo(f"mlsh: {printable(error.what)}", err=True)
    if error.hint:
        click.echo(f"      {printable(error.hint)}", err=True)
