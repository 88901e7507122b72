"""How `mlsh dotfiles` shows plans, files and errors."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.talk import paint, say
from mlsh.shell.visible import printable as plain

if TYPE_CHECKING:
    from mlsh.box import Box
    from mlsh.dotfiles.plan import Change, Plan, Refused
    from mlsh.dotfiles.source import Source
    from mlsh.dotfiles.state import State
    from mlsh.errors import MlshError

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def put(fields: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")


def complain(error: MlshError) -> None:
    """An error on stderr."""
    click.echo(f"mlsh: {plain(error.what)}", err=True)
    if error.hint:
        click.echo(f"      {plain(error.hint)}", err=True)


def left_alone(box: str, one: Refused) -> None:
    """A file that stays as it is, and why."""
    click.echo(f"mlsh: {plain(f'{box}: ~/{one.path} {one.why}')}", err=True)
    if one.hint:
        click.echo(f"      {plain(one.hint.replace('BOX', box))}", err=True)


# Plans


def as_json(plan: Plan, applied: bool) -> None:
    """A plan as one JSON object."""
    put(
        {
            "box": plan.box,
            "error": None,
            "applied": applied,
            "changes": [
                {"path": one.path, "what": one.what, "verb": one.verb, "diff": "\n".join(one.diff())}
                for one in plan.shown
            ],
            "refused": [{"path": one.path, "why": one.why, "hint": one.hint} for one in plan.refused],
        }
    )


def error_as_json(box: str, error: MlshError) -> None:
    """A box that could not be asked, as one JSON object."""
    put({"box": box, "error": error.what, "applied": False, "changes": [], "refused": []})


def patch(lines: Sequence[str], fileno: int = 1) -> None:
    """A diff, with colours where they are wanted, and nothing in it that a terminal would obey."""
    for line in lines:
        colour = _COLOURS.get(line[:1])
        shown = plain(line.replace("\t", "        ")) if os.isatty(fileno) else line
        click.echo(paint(shown, colour, fileno) if colour else shown, err=fileno == 2)


def diffs(plans: Sequence[Plan], pages: bool = True, to_stderr: bool = False) -> None:
    """What plans would change; through $PAGER on a terminal that it does not fit on."""
    fileno = 2 if to_stderr else 1
    lines: list[str] = []
    for plan in plans:
        for one in plan.refused:
            left_alone(plan.box, one)
        if plan.instead_of:
            say(f"{plan.box}: those of {plan.source} in place of those of {plan.instead_of}")
        if plan.shown and len(plans) > 1:
            lines.append(f"# {plan.box}")
        lines += [line for change in plan.shown for line in change.diff()]
        if not plan.shown and not plan.refused:
            say(f"{plan.box}: nothing to do")
    pager = os.environ.get("PAGER", "less")
    if pages and sys.stdout.isatty() and pager and len(lines) > os.get_terminal_size().lines - 2:
        from mlsh.box import process

        text = [(plain(line.replace("\t", "        ")), _COLOURS.get(line[:1])) for line in lines]
        shown = "".join(f"{paint(line, colour) if colour else line}\n" for line, colour in text)
        process.page(shlex.split(pager), shown)
        return
    patch(lines, fileno)


_WORDS = {"create": "new", "change": "changed", "remove": "removed", "mode": "mode"}


def applied(plan: Plan) -> None:
    """What was done to a box: a line for each file."""
    for one in plan.refused:
        left_alone(plan.box, one)
    if plan.instead_of:
        say(f"{plan.box}: those of {plan.source} in place of those of {plan.instead_of}")
    if not plan.shown:
        say(f"{plan.box}: nothing to do" + (" for the others" if plan.refused else ""))
        return
    for change in plan.shown:
        click.echo(f"{plain(plan.box)}  {_said(change)}")


def _said(change: Change) -> str:
    if change.what == "line":
        word = {"create": "new, one line", "change": "one line"}.get(change.verb, "removed")
    else:
        word = _WORDS[change.verb]
    return f"{paint(f'{word:<13}', 'dim')} ~/{plain(change.path)}"


# Files


def files(source: Source, as_json: bool) -> None:
    """The files of a source, and for which boxes they are."""
    from mlsh.shell.table import columns

    rows = [(file, "") for file in source.files]
    rows += [(file, host.pattern) for host in source.hosts for file in host.files]
    if as_json:
        for file, only in rows:
            put({"path": file.path, "origin": file.origin, "only": only or None, "bytes": len(file.text)})
        return
    has_some = any(only for _, only in rows)
    head = ["FILE", *(["ONLY"] if has_some else []), "FROM"]
    cells = [
        [f"~/{plain(file.path)}", *([plain(only)] if has_some else []), plain(_short(file.origin))]
        for file, only in sorted(rows, key=lambda row: (row[0].path, row[1]))
    ]
    title, *lines = columns([head, *cells], None, frozenset())
    click.echo(paint(title, "dim"))
    for line in lines:
        click.echo(line)


def standing(box: Box, state: State, as_json: bool) -> None:
    """How the files that were pushed stand on a box."""
    import time

    from mlsh.dotfiles.plan import digest

    receipt = state.receipt
    found = []
    for path, known in sorted(receipt.files.items()) if receipt else ():
        seen = state.at(path)
        same = seen.kind == "file" and digest(seen.text) == known
        found.append((path, "ours" if same else "missing" if seen.kind == "missing" else "changed"))
    if as_json:
        put(
            {
                "box": box.name,
                "error": None,
                "source": receipt.source if receipt else None,
                "pushed": receipt.when if receipt else None,
                "files": [{"path": path, "state": how} for path, how in found],
                "lines": [one.path for one in receipt.hooks] if receipt else [],
            }
        )
        return
    if receipt is None:
        say(f"{box.name}: nothing of mlsh's; put it there: mlsh dotfiles push {box.name}")
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(receipt.when))
    click.echo(paint(f"{plain(box.name)}: {plain(receipt.source)}, {when}", "bold"))
    for path, how in found:
        click.echo(f"  {paint(f'{how:<8}', 'dim' if how == 'ours' else 'yellow')} ~/{plain(path)}")
    for one in receipt.hooks:
        click.echo(f"  {paint('line in ', 'dim')} ~/{plain(one.path)}")


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
