"""`mlsh session`: persistent tmux workspaces, on any box."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.errors import MlshError
    from mlsh.sessions.tmux import Session
    from mlsh.sessions.workspace import Workspace

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_TITLES = ("NAME", "BOX", "WINDOWS", "ATTACHED", "CREATED", "ACTIVE")
_RIGHT = frozenset({2, 3, 4, 5})
# Boxes answer one by one, and their rows should still stand below each other.
_LEAST = (16, 8, 7, 8, 11, 11)

_search_option = click.option(
    "--on", metavar="BOX", shell_complete=complete_box, help="The box; default: wherever there is one of that name."
)
_mosh_option = click.option("--mosh", is_flag=True, help="By mosh, which outlives a change of network.")


@click.group("session", context_settings=_HELP, no_args_is_help=True)
@common
def command() -> None:
    """Have tmux sessions to work in, on any box. They go on when you leave.

    They are on your own tmux server there: `tmux attach` by hand works too, and ~/.tmux.conf applies.
    """


@command.command(context_settings=_HELP, short_help="Make a session, or come back to it.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--on", default="local", metavar="BOX", shell_complete=complete_box,
              help="The box; default: this machine.")  # fmt: skip
@click.option("-n", "--name", help="Its name; default: session_name of FILE, or the folder that you are in.")
@click.option("--attach/--detach", " /-d", "sit_down", default=None,
              help="Sit down at it, or leave it; default: sit down where there is a terminal.")  # fmt: skip
@_mosh_option
@common
def up(file: Path | None, on: str, name: str | None, sit_down: bool | None, mosh: bool) -> None:
    """Have a session: make it from FILE, or from the usual layout, and sit down at it.

    One of that name that is there already is left as it is: you come back to it. FILE is a tmuxp file. The usual
    layout has a shell, an editor, and the newest job's log beside the GPUs.
    """
    from mlsh import config
    from mlsh.box import LOCAL, open_box
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.sessions import build, known, names, workspace

    if sit_down and not _has_terminal():
        raise UsageError("to sit down at a session you need a terminal", "leave it running: mlsh session up -d")
    box = open_box(on, config.load())
    wanted = workspace.load(file) if file else build.usual_on(box)
    if name is not None:
        names.check_name(name)
    elif file is not None and not wanted.name:
        raise UsageError(f"{file} has no session_name", f"name it: mlsh session up {file} -n NAME")
    chosen = name or wanted.name or names.suggest(Path.cwd().name)
    base = str((file.parent if file else Path.cwd()).absolute()) if on == LOCAL else ""
    made = build.up(box, chosen, wanted, _size(), base)
    known.remember(on)
    if not made.is_new:
        say(f"{chosen} is up on {on} already{'; the file was left aside' if file else ''}")
    if sit_down is False or not _has_terminal():
        if made.is_new:
            say(f"{chosen} is up on {on}: {_windows(wanted)}; to sit down at it: {_again(chosen, on)}")
        click.echo(chosen)
        return
    _sit_down(box, chosen, made.id, mosh)


@command.command("list", context_settings=_HELP, short_help="The sessions on boxes.")
@click.option("--on", "boxes", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="Ask these boxes; default: this machine, and those that you had jobs or sessions on.")  # fmt: skip
@json_option
@common
def list_(boxes: tuple[str, ...], as_json: bool) -> None:
    """List sessions, those made by hand too. Each box is asked side by side, and shown when it answers.

    \b
    --json: name, box, id, windows, attached, created, activity (docs/reference/json.md)
    """
    from mlsh import config
    from mlsh.errors import MlshError
    from mlsh.sessions import known

    settings = config.load()
    asked = list(dict.fromkeys(boxes)) or known.boxes(settings)
    failed: MlshError | None = None
    shown = 0
    for _, answer in known.everywhere(settings, asked):
        if isinstance(answer, MlshError):
            failed = answer
            _complain(answer)
        elif as_json:
            import msgspec

            for session in answer:
                sys.stdout.write(msgspec.json.encode(session).decode() + "\n")
        elif answer:
            _table(answer, header=shown == 0)
        shown += 0 if isinstance(answer, MlshError) else len(answer)
        sys.stdout.flush()
    if not shown and not as_json and failed is None:
        click.echo(f"mlsh: no sessions on {', '.join(asked)}; make one: mlsh session up", err=True)
    if failed is not None:
        raise SystemExit(int(failed.exit_code))


@command.command(context_settings=_HELP, short_help="Sit down at a session.")
@click.argument("name")
@_search_option
@_mosh_option
@common
def attach(name: str, on: str | None, mosh: bool) -> None:
    """Sit down at the session of exactly this NAME. Ctrl-B then D leaves it running.

    In a tmux of your own: a session of the same server is switched to; one elsewhere runs within your pane, where
    the prefix, pressed twice, reaches the inner tmux.
    """
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.sessions import known

    found = known.find(name, config.load(), on, say)
    if not _has_terminal():
        raise UsageError("to sit down at a session you need a terminal", "see what there is: mlsh session list")
    known.remember(found.box.name)
    _sit_down(found.box, name, found.session.id, mosh)


@command.command(context_settings=_HELP, short_help="End a session and all that runs in it.")
@click.argument("name")
@_search_option
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@common
def kill(name: str, on: str | None, yes: bool) -> None:
    """End the session of exactly this NAME and what runs in its panes. Asks first. Jobs are not in sessions."""
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound, UsageError
    from mlsh.sessions import known
    from mlsh.sessions.names import target
    from mlsh.sessions.tmux import Tmux
    from mlsh.shell.visible import printable

    found = known.find(name, config.load(), on, say)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("kill asks first, and there is nobody to answer", "without a question: -y")
        many = "1 window" if found.session.windows == 1 else f"{found.session.windows} windows"
        seen = f", {found.session.attached} attached" if found.session.attached else ""
        if not click.confirm(
            f"End {printable(name)} on {found.box.name} ({many}{seen}), and all that runs in it?", err=True
        ):
            raise SystemExit(1)
    with Tmux(found.box) as tmux:
        now = tmux.find(name)
        if now is None or now.created != found.session.created:
            raise NotFound(f"{found.box.name}: the session {name} has ended meanwhile", "see: mlsh session list")
        tmux.do(["kill-session", "-t", target(name, found.session.id)])
    say(f"{name} on {found.box.name} has ended")


@command.command(context_settings=_HELP, short_help="Write a session down as a tmuxp file.")
@click.argument("name")
@_search_option
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Into this file; default: stdout."
)
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@common
def save(name: str, on: str | None, output: Path | None, force: bool) -> None:
    """Write the session NAME as a tmuxp file: windows, layout, folders, and what runs in front in each pane.

    `mlsh session up FILE` and `tmuxp load FILE` make it again. No variables are written: they may be secrets.
    """
    from mlsh import config
    from mlsh.cli.talk import say
    from mlsh.errors import RefusedInput
    from mlsh.sessions import known
    from mlsh.sessions.save import describe, to_yaml

    if output is not None and output.exists() and not force:
        raise RefusedInput(f"{output} is there already, and was left as it is", "another name, or: --force")
    found = known.find(name, config.load(), on, say)
    text = to_yaml(describe(found.box, name), found.box.name)
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text, force)
    say(f"{output} is written; make the session again: mlsh session up {output}")


# What the verbs share


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _size() -> Any:
    from mlsh.sessions.build import Size

    if not sys.stdout.isatty():
        return Size()
    columns, lines = os.get_terminal_size(1)
    # The last line is tmux's own.
    return Size(max(columns, 40), max(lines - 1, 10))


def _again(name: str, box: str) -> str:
    import shlex

    return f"mlsh session attach {shlex.quote(name)}{'' if box == 'local' else f' --on {box}'}"


def _windows(wanted: Workspace) -> str:
    return "1 window" if len(wanted.windows) == 1 else f"{len(wanted.windows)} windows"


def _sit_down(box: Box, name: str, session_id: str, mosh: bool) -> None:
    from mlsh.box import LOCAL
    from mlsh.cli.talk import say
    from mlsh.sessions import attach, known

    code = attach.attach(box, name, session_id, mosh, say)
    if code == 255 and box.name != LOCAL:
        raise attach.broken_off(box.name, name)
    if code != 0:
        raise SystemExit(code)
    now = next((session for session in known.on_box(box) if session.name == name), None)
    say(attach.how_to_return(now, box.name, name))


def _write(path: Path, text: str, replace: bool) -> None:
    """Write a file whole or not at all; never over one that came meanwhile, unless `replace`."""
    import tempfile

    from mlsh.errors import RefusedInput

    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w") as file:
            file.write(text)
        if replace:
            os.replace(aside, path)
        else:
            os.link(aside, path)
    except FileExistsError:
        raise RefusedInput(f"{path} is there already, and was left as it is", "another name, or: --force") from None
    finally:
        Path(aside).unlink(missing_ok=True)


def _complain(error: MlshError) -> None:
    from mlsh.shell.visible import printable

    click.echo(f"mlsh: {printable(error.what)}", err=True)
    if error.hint:
        click.echo(f"      {printable(error.hint)}", err=True)


def _table(sessions: list[Session], header: bool) -> None:
    import time

    from mlsh.cli.talk import paint
    from mlsh.jobs.durations import show
    from mlsh.shell.table import clip, columns
    from mlsh.shell.visible import printable

    now = time.time()
    rows = [
        (
            clip(printable(one.name), 40),
            one.box,
            str(one.windows),
            str(one.attached) if one.attached else "-",
            f"{show(max(0.0, now - one.created))} ago",
            f"{show(max(0.0, now - one.activity))} ago",
        )
        for one in sessions
    ]
    limit = os.get_terminal_size(1).columns if os.isatty(1) else None
    lines = columns([_TITLES, *rows] if header else rows, limit, _RIGHT, _LEAST)
    if header:
        print(paint(lines[0], "dim"))
        lines = lines[1:]
    print("\n".join(lines))
