"""The command line: parse, call, show. No logic, and nothing imported before it is needed.

Each verb is a module of its own. The table below holds their short helps too, so that `mlsh --help` and
shell completion import none of them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, NoReturn

import click

from mlsh import __version__
from mlsh.errors import ExitCode, MlshError

VERBS = {
    "run": ("mlsh.cli.run", "Run a command as a job: with the code as it is now, in tmux, on any box."),
    "ps": ("mlsh.cli.ps", "List jobs, on one box or several."),
    "top": ("mlsh.cli.top", "Watch boxes: GPUs, who computes on them, who waits."),
    "logs": ("mlsh.cli.logs", "Print or follow what a job printed."),
    "attach": ("mlsh.cli.attach", "Sit down at a running job's terminal."),
    "forward": ("mlsh.cli.forward", "Reach a port of a job or a box from this machine: TensorBoard, Jupyter."),
    "cancel": ("mlsh.cli.cancel", "End jobs and every process of theirs."),
    "hold": ("mlsh.cli.hold", "Keep jobs that wait from beginning."),
    "release": ("mlsh.cli.release", "Let held jobs begin."),
    "wait": ("mlsh.cli.wait", "Wait for jobs to end; exit with the job's code."),
    "retry": ("mlsh.cli.retry", "Run a job again, with the same code and options."),
    "show": ("mlsh.cli.show", "Everything that made a job, and how it stands."),
    "diff": ("mlsh.cli.diff", "What differs between two jobs: code, command, environment, box."),
    "undo": ("mlsh.cli.undo", "Undo the last git operation, whoever made it."),
    "redo": ("mlsh.cli.redo", "Take the last undo back."),
    "revert": ("mlsh.cli.revert", "Take commits back with new ones, once that is known to work."),
    "save": ("mlsh.cli.save", "Save branches, index and files as they are now, to come back to."),
    "rescue": ("mlsh.cli.rescue", "Get back what was lost: commits, stashes, branches, staged files."),
    "pull": ("mlsh.cli.pull", "Bring what a job made to this machine."),
    "push": ("mlsh.cli.push", "Send files and data sets to a box."),
    "rm": ("mlsh.cli.rm", "Forget jobs that have ended: log, worktree, record."),
    "prune": ("mlsh.cli.prune", "Forget old jobs, and give back disk that none needs."),
    "session": ("mlsh.cli.session", "Have tmux sessions to work in, on any box: up, list, attach, kill, save."),
    "bisect": ("mlsh.cli.bisect", "Find the commit that broke it, though the test is noisy, slow, or elsewhere."),
    "find": ("mlsh.cli.find", "Find files by name or content, here and on boxes."),
    "edit": ("mlsh.cli.edit", "Edit a file of a box in your own editor."),
    "z": ("mlsh.cli.z", "Print the folder that zoxide takes you to, here or on a box."),
    "recipe": ("mlsh.cli.recipe", "Have commands at hand that you look up each time, with parameters and steps."),
    "history": ("mlsh.cli.history", "Find what you once typed, here or on a box: when, where, how it ended."),
    "box": ("mlsh.cli.box", "Machines: add, list, show, doctor, gpus, trust, rotate-key, rename, remove."),
    "doctor": ("mlsh.cli.doctor", "Check this machine: keys, tokens, ssh's settings; says what mends it."),
    "secret": ("mlsh.cli.secret", "Keep secrets for jobs, and find those that got out: set, list, remove, scan."),
    "dotfiles": ("mlsh.cli.dotfiles", "Have your shell, tmux, git and vim on any box, and off again."),
    "bootstrap": ("mlsh.cli.bootstrap", "Make boxes ready: dotfiles, uv, tools; and take it away again."),
    "drain": ("mlsh.cli.drain", "Let no job begin on a box any more, or again."),
    "alias": ("mlsh.cli.alias", "Short names for what you type often, in bash, zsh and fish, here and on boxes."),
    "shell": ("mlsh.cli.shell", "Set your shell up: your aliases, and completion of mlsh."),
    "completion": ("mlsh.cli.completion", "Print the lines that switch shell completion on."),
    "demo": ("mlsh.cli.demo", "See a job outlive its terminal, in half a minute, on this machine."),
}


SECTIONS = {
    "Jobs": ("run", "ps", "logs", "attach", "cancel", "wait", "retry", "show", "diff", "top", "hold", "release",
             "drain", "rm", "prune"),
    "What jobs make and need": ("pull", "push", "forward", "session", "secret"),
    "When something broke": ("bisect", "revert", "undo", "redo", "save", "rescue"),
    "Machines": ("box", "bootstrap", "dotfiles", "find", "edit", "z"),
    "Your shell": ("recipe", "history", "alias", "shell", "completion", "doctor", "demo"),
}  # fmt: skip
"""The verbs as `--help` shows them; each is in one section."""


class Verbs(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a person meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name][0])
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs in `--help`, from the tables."""
        del ctx
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(verb.ljust(width), VERBS[verb][1]) for verb in verbs if verb in VERBS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a verb from the table."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(verb, help=help_) for verb, (_, help_) in VERBS.items() if verb.startswith(incomplete)]
        return found or list(click.Command.shell_complete(self, ctx, incomplete))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a mistyped one gets a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from difflib import get_close_matches

            from mlsh.shell.visible import printable

            near = get_close_matches(args[0], VERBS, n=2, cutoff=0.5)
            typed = printable(args[0][:40])
            hint = f"did you mean: {' or '.join(f'mlsh {verb}' for verb in near)}" if near else "see: mlsh --help"
            raise click.UsageError(f"there is no command `{typed}`\n{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First time? Try: mlsh demo. Each command has its own help: mlsh run -h",
    no_args_is_help=True,
)
@click.version_option(__version__, "--version", "-V", prog_name="mlsh", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show where in the code an error came from.")
def cli(debug: bool) -> None:
    """Run jobs on machines that you reach by SSH, and never lose one.

    A job runs in tmux on its box, with your code as it is now. Close the laptop: it goes on.
    """
    if debug:
        os.environ["MLSH_DEBUG"] = "1"


def main() -> NoReturn:
    """Run the command line and exit with a documented code."""
    try:
        code = cli.main(prog_name="mlsh", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the one place where errors become exit codes
        code = _report(error)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader has seen enough
    except OSError as error:
        code = _report(error)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    # Python's own way out would flush stdout again, wait for threads that wait for dead boxes, and take 5 ms.
    os._exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            return ExitCode.OK  # click's way to say that the reader has seen enough
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message())
        return ExitCode.OK
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader has seen enough (`mlsh ps | head`).
        return ExitCode.OK
    if "--debug" in sys.argv or os.environ.get("MLSH_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, MlshError):
        _complain(error.what, error.hint)
        return error.exit_code
    if isinstance(error, click.exceptions.UsageError):
        what, _, hint = error.format_message().partition("\n")
        if not hint:
            hint = f"see: {error.ctx.command_path} -h" if error.ctx else "see: mlsh -h"
        _complain(what.rstrip("."), hint)
        return ExitCode.USAGE
    if isinstance(error, click.ClickException):
        _complain(error.format_message(), "")
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        print("", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}", "")
        return ExitCode.INTERNAL
    _complain(f"a fault in mlsh: {type(error).__name__}: {error}", "again with --debug, and please report it")
    return ExitCode.INTERNAL


def _complain(what: str, hint: str) -> None:
    from mlsh.shell.visible import printable

    lines = [printable(line) for line in what.splitlines()] or [""]
    print("mlsh: " + "\n".join(lines), file=sys.stderr)
    if hint:
        print(f"      {printable(hint)}", file=sys.stderr)
