"""`mlsh bootstrap BOX... --remove`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Entry, Facts
from mlsh.bootstrap.step import Step
from mlsh.bootstrap.work import Removed, facts_of, remove
from mlsh.box import Box
from mlsh.box.fanout import side_by_side
from mlsh.cli.bootstrap import complain, put, who
from mlsh.errors import ExitCode, MlshError
from mlsh.shell.visible import printable

_LOOK_S = 60.0
_REMOVE_S = 3600.0


def take_away(
    boxes: Sequence[Box], steps: Sequence[Step], only: Sequence[str], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Look, show, ask, take back. Exits with 71 where something was left since somebody changed it."""
    codes: dict[str, int] = {}
    entries: dict[str, list[Entry]] = {}
    for box, answer in side_by_side(boxes, lambda box: facts_of(box, (), Desired()), _LOOK_S):
        if isinstance(answer, MlshError):
            codes[box.name] = _failed(box, answer, as_json)
            continue
        entries[box.name] = of_steps(answer, only)
        if not entries[box.name] and (only or not answer.is_left):
            codes[box.name] = 0
            if as_json:
                put({"box": box.name, "status": "ok", "error": None, "back": [], "kept": [], "left": []})
            else:
                click.echo(f"{printable(box.name)}: nothing to take away")
    todo = [box for box in boxes if box.name in entries and box.name not in codes]
    if dry_run or not yes:
        for box in todo:
            _show(box.name, entries[box.name], not dry_run, as_json and dry_run)
    if dry_run:
        todo = []
    if todo and not yes and not click.confirm(f"Take this away from {', '.join(box.name for box in todo)}?", err=True):
        raise click.Abort
    me = who()
    for box, end in side_by_side(todo, lambda box: remove(box, steps, Desired(), only, me), _REMOVE_S):
        codes[box.name] = _failed(box, end, as_json) if isinstance(end, MlshError) else _tell(box, end, as_json)
    if bad := next((code for box in boxes if (code := codes.get(box.name, 0))), 0):
        raise SystemExit(bad)


def of_steps(facts: Facts, only: Sequence[str]) -> list[Entry]:
    """The entries of some steps, the newest first; of all without `only`. Pure."""
    return [entry for entry in reversed(facts.receipt) if not only or entry.step in only]


def _show(name: str, entries: Sequence[Entry], to_stderr: bool, as_json: bool) -> None:
    if as_json:
        paths = [entry.path for entry in entries]
        put({"box": name, "status": "planned", "error": None, "back": paths, "kept": [], "left": []})
        return
    click.echo(printable(name), err=to_stderr)
    for entry in entries:
        click.echo(f"  {entry.step:<9} {printable(_undo(entry))}", err=to_stderr)


def _undo(entry: Entry) -> str:
    match entry.kind:
        case "pkg":
            return f"uninstall {entry.after or entry.before}"
        case "run":
            return f"undo: {entry.path}"
        case "step":
            return f"take off what {entry.path} made"
        case "dir" | "tree":
            return f"remove {entry.path}/"
    return f"remove {entry.path}" if entry.before == "absent" else f"put back {entry.path}"


def _failed(box: Box, error: MlshError, as_json: bool) -> int:
    complain(error)
    if as_json:
        put({"box": box.name, "status": "failed", "error": error.what, "back": [], "kept": [], "left": []})
    return int(error.exit_code)


def _tell(box: Box, removed: Removed, as_json: bool) -> int:
    if as_json:
        put(
            {
                "box": box.name,
                "status": "kept" if removed.kept else "removed",
                "error": None,
                "back": list(removed.back),
                "kept": [{"path": path, "why": why} for path, why in removed.kept],
                "left": [{"path": path, "why": why} for path, why in removed.left],
            }
        )
    else:
        click.echo(
            f"{printable(box.name)}: took back {len(removed.back)}" + ("" if removed.kept else "; all is as it was")
        )
        for path, why in [*removed.kept, *removed.left]:
            click.echo(f"  left: {printable(path)}: {printable(why)}")
    if removed.kept:
        click.echo(
            f"mlsh: what was there before is kept on {printable(box.name)}, in ~/.mlsh/bootstrap/receipt\n"
            "      once those are as bootstrap left them, or gone: the same command again",
            err=True,
        )
    sys.stdout.flush()
    return int(ExitCode.BOX_UNFIT) if removed.kept else 0
