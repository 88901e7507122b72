"""`mlsh secret scan`: look for secrets that got out, and say what to replace."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.audit.files import Passed
    from mlsh.audit.found import Found
    from mlsh.errors import MlshError

_LIMIT_S = 150.0
_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command("scan", context_settings=_HELP, short_help="Look for secrets that got out: histories, repository, logs.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--history", is_flag=True, help="Also what past commits of the repository hold.")
@click.option("--jobs", is_flag=True, help="Also the logs and commands of the jobs on this machine.")
@click.option(
    "--on",
    "boxes",
    multiple=True,
    metavar="BOX",
    shell_complete=complete_box,
    help="The histories and dotfiles on this box instead; may be repeated.",
)
@click.option("--fingerprints", is_flag=True, help="Print lines for .mlshsecrets, for what you looked at and is none.")
@json_option
@common
def command(
    paths: tuple[Path, ...], history: bool, jobs: bool, boxes: tuple[str, ...], fingerprints: bool, as_json: bool
) -> None:
    """Look for keys, tokens and passwords where they should not be, and say how to replace each.

    Without PATH: the shell histories and dotfiles of your home, and the repository that you stand in (tracked files,
    and new ones that are not ignored). With PATH: only these files and folders. Reads only, and sends nothing anywhere.

    What is none goes into a file .mlshsecrets, in the repository or in your home; --fingerprints prints its lines.
    Exits with 71 if anything was found.

    \b
    --json: box, kind (history, dotfile, file, commit, log), place, line, rule, what, shown, rotate, fingerprint,
    when_s, commit
    """
    from mlsh.audit.found import Found as FoundType
    from mlsh.audit.found import merged
    from mlsh.cli.talk import Status
    from mlsh.errors import ExitCode, UsageError

    if boxes and (paths or history or jobs):
        raise UsageError("--on looks at histories and dotfiles there; PATH, --history and --jobs are for this machine")
    status = Status()
    found: list[Found] = []
    passed: list[Passed] = []
    code = ExitCode.OK
    sources = _on(boxes) if boxes else _here(paths, history, jobs)
    for one in sources:
        if isinstance(one, FoundType):
            found.append(one)
            status.show(f"{len(found)} found so far; {one.place}")
        elif isinstance(one, tuple):
            passed.append(one)
        else:
            status.clear()
            code = one.exit_code
            _complain(one)
    status.clear()
    accepted = _accepted()
    each = merged(found)
    shown = [one for one in each if one.fingerprint not in accepted]
    _show(shown, as_json, fingerprints)
    _say_rest(shown, len(each) - len(shown), passed, as_json)
    if shown:
        raise SystemExit(int(ExitCode.BOX_UNFIT))
    if code:
        raise SystemExit(int(code))


# What is looked at


def _here(paths: Iterable[Path], history: bool, jobs: bool) -> Iterator[Found | Passed | MlshError]:
    from mlsh.audit import files, homes
    from mlsh.box import LOCAL, open_box

    chosen = list(paths)
    tops = [files.repository_of(_folder_of(path)) for path in chosen or [Path.cwd()]]
    if not chosen:
        yield from homes.of_home(open_box(LOCAL))
        yield from homes.of_atuin()
        if tops[0] is not None:
            yield from files.of_repository(tops[0], tops[0])
    for path, top in zip(chosen, tops, strict=False):
        if path.is_dir():
            folder = path.resolve()
            yield from files.of_repository(top, folder) if top is not None else files.of_folder(folder)
        else:
            place = path.resolve()
            inside = top is not None and place.is_relative_to(top)
            yield from files.of_file(
                place, str(place.relative_to(top)) if inside and top else files.short(place), "file"
            )
    if history:
        yield from _past(tops)
    if jobs:
        home = Path(os.path.expanduser(_settings_home() or "~/.mlsh"))
        for log, job in files.job_files(home):
            yield from files.of_file(log, f"{job}/{log.name}", "log")


def _past(tops: Iterable[Path | None]) -> Iterator[Found]:
    from mlsh.audit import git_history
    from mlsh.errors import NotFound

    known = list(dict.fromkeys(top for top in tops if top is not None))
    if not known:
        raise NotFound(
            "there is no repository here, so there is no history of it", "cd into one, or leave out --history"
        )
    for top in known:
        yield from git_history.of_history(top)


def _folder_of(path: Path) -> Path:
    from mlsh.errors import NotFound

    if not os.path.lexists(path):
        raise NotFound(f"there is no {path}")
    return path.resolve() if path.is_dir() else path.resolve().parent


def _settings_home() -> str | None:
    from mlsh import config
    from mlsh.box import LOCAL

    return config.load().home(LOCAL)


def _on(names: Iterable[str]) -> Iterator[Found | Passed | MlshError]:
    from mlsh import config
    from mlsh.audit import homes
    from mlsh.box import open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import MlshError

    settings = config.load()
    for _, answer in side_by_side([open_box(name, settings) for name in dict.fromkeys(names)], homes.of_home, _LIMIT_S):
        if isinstance(answer, MlshError):
            yield answer
        else:
            yield from answer


def _accepted() -> frozenset[str]:
    from mlsh.audit import files, found
    from mlsh.errors import ConfigError

    top = files.repository_of(Path.cwd())
    folders = [Path(os.path.expanduser("~")), *([top] if top else [])]
    all_: frozenset[str] = frozenset()
    for folder in folders:
        try:
            all_ |= found.accepted((folder / ".mlshsecrets").read_text(errors="replace"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{folder / '.mlshsecrets'}: {error.strerror}") from None
    return all_


# How it is shown


def _show(found: list[Found], as_json: bool, fingerprints: bool) -> None:
    import msgspec

    from mlsh.cli.talk import paint
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable

    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(_clean(one)).decode())
        return
    if fingerprints:
        for one in found:
            click.echo(f"{one.fingerprint}  # {printable(f'{_where(one)}: {one.what}')}")
        return
    if not found:
        return
    rows = [[printable(cell) for cell in (_where(one), one.what, one.shown, _when(one))] for one in found]
    head, *lines = columns([["WHERE", "WHAT", "SECRET", "SINCE"], *rows], None)
    click.echo(paint(head, "dim"))
    for line in lines:
        click.echo(line)


def _clean(one: Found) -> dict[str, Any]:
    """The fields, with a path that is no UTF-8 made such."""
    import msgspec

    fields: dict[str, Any] = msgspec.structs.asdict(one)
    return {
        key: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for key, value in fields.items()
    }


def _where(one: Found) -> str:
    from mlsh.box import LOCAL

    box = "" if one.box == LOCAL else f"{one.box}:"
    return f"{box}{one.place}:{one.line}" + (f" (in {one.commit[:10]})" if one.kind == "commit" and one.commit else "")


def _when(one: Found) -> str:
    if one.when_s is None:
        return ""
    day = time.strftime("%Y-%m-%d", time.localtime(one.when_s))
    return f"{day}, {one.commit[:10]}" if one.commit and one.kind != "commit" else day


_TAKE_OUT = {
    "history": "then take the line out of the history file, with other shells closed: each writes its lines at its end",
    "dotfile": "then keep it elsewhere: mlsh secret set NAME",
    "file": "then keep it out of the repository: mlsh secret set NAME, and read it from the environment",
    "commit": "a commit that was pushed is in every clone: only a new secret helps there",
    "log": "then remove the job, or its log: mlsh rm JOB",
}


def _say_rest(found: list[Found], accepted: int, passed: list[Passed], as_json: bool) -> None:
    from mlsh.cli.talk import say

    if accepted:
        say(f"{accepted} more {'is' if accepted == 1 else 'are'} in .mlshsecrets")
    for one in [one for one in passed if one.why != "binary"][:10]:
        say(f"not looked at: {one.place}: {one.why}")
    if (rest := sum(one.why != "binary" for one in passed) - 10) > 0:
        say(f"not looked at: {rest} more files")
    if as_json:
        return
    if not found:
        say("no secrets found")
        return
    say(f"{len(found)} found. Whoever could read these may have them: make new ones, then revoke the old")
    for what, rotate in dict.fromkeys((one.what, one.rotate) for one in found):
        say(f"  {what}: {rotate}")
    for kind in dict.fromkeys(one.kind for one in found):
        say(f"  {_TAKE_OUT[kind]}")
    say("what is none: look at the lines of mlsh secret scan --fingerprints, and put them into .mlshsecrets")


def _complain(error: MlshError) -> None:
    from mlsh.cli.talk import say

    say(error.what)
    if error.hint:
        say(f"  {error.hint}")
