"""`mlsh bootstrap status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mlsh.bootstrap.desired import Desired
from mlsh.bootstrap.facts import Entry, Facts
from mlsh.bootstrap.work import facts_of, states_of
from mlsh.box import Box
from mlsh.box.fanout import side_by_side
from mlsh.cli.bootstrap import complain, put
from mlsh.errors import MlshError
from mlsh.shell.table import columns
from mlsh.shell.visible import printable


def show(boxes: Sequence[Box], as_json: bool) -> None:
    """What the receipts say, and what was changed since. Exits with the first error's code."""
    code = 0

    def ask(box: Box) -> tuple[Facts, Facts]:
        known = facts_of(box, (), Desired())
        return known, states_of(
            box, [entry.path for entry in known.receipt if entry.kind in {"put", "link", "tree", "dir"}]
        )

    for box, answer in side_by_side(boxes, ask):
        if isinstance(answer, MlshError):
            complain(answer)
            code = code or int(answer.exit_code)
            if as_json:
                put({"box": box.name, "error": answer.what, "entries": []})
            continue
        known, now = answer
        rows = [(entry, state(entry, known.receipt, now)) for entry in known.receipt]
        if as_json:
            put({"box": box.name, "error": None, "entries": [_fields(entry, how) for entry, how in rows]})
        elif rows:
            table = [["BOX", "STEP", "WHAT", "STATE"]]
            table += [[box.name, entry.step, _what(entry), how] for entry, how in rows]
            for line in columns([[printable(cell) for cell in row] for row in table], None):
                click.echo(line)
        else:
            click.echo(f"{printable(box.name)}: bootstrap has done nothing here")
        sys.stdout.flush()
    if code:
        raise SystemExit(code)


def state(entry: Entry, receipt: Sequence[Entry], now: Facts) -> str:
    """How what an entry made stands: as-left, changed, gone, replaced by a later entry, or unknown. Pure."""
    if entry.kind not in {"put", "link", "tree", "dir"}:
        return "as-left" if entry.kind != "run" or entry.is_ok else "unknown"
    if any(later.path == entry.path for later in receipt if later.number > entry.number):
        return "replaced"
    at = now.paths.get(entry.path)
    if at is None:
        return "unknown"
    if at.is_absent:
        return "gone"
    wanted = "dir" if entry.kind in {"tree", "dir"} else entry.after
    return "as-left" if at.state == wanted else "changed"


def _what(entry: Entry) -> str:
    return f"packages {entry.before}" if entry.kind == "pkg" else entry.path


def _fields(entry: Entry, how: str) -> dict[str, object]:
    return {
        "step": entry.step,
        "kind": entry.kind,
        "path": entry.path,
        "node": entry.node,
        "before": entry.before,
        "after": entry.after,
        "state": how,
    }
