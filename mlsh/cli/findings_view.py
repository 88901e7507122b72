"""How the findings of a doctor are shown: a mark, the check, what it found, and what mends it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mlsh.box.findings import Finding

_MARKS = {
    "ok": ("✓", "ok", "green"),
    "warn": ("!", "warn", "yellow"),
    "fail": ("✗", "FAIL", "red"),
    "skip": ("-", "-", "dim"),
}


def show_findings(title: str, findings: Sequence[Finding], quiet: bool) -> None:
    """Print findings under a title; `quiet`: only those that are not in order."""
    from mlsh.cli.talk import paint
    from mlsh.shell.visible import printable

    chosen = [finding for finding in findings if not quiet or finding.status in {"warn", "fail"}]
    which = 0 if _is_utf8() else 1
    edge = max(len(mark[which]) for mark in _MARKS.values())
    click.echo(paint(printable(title), "bold") + ("" if chosen else ": all in order"))
    for finding in chosen:
        mark = _MARKS[finding.status]
        lead = paint(f"{mark[which]:<{edge}}", mark[2])
        click.echo(f"  {lead} {finding.check:<13} {printable(finding.what)}")
        if finding.mend and finding.status in {"warn", "fail"}:
            click.echo(f"  {'':<{edge}} {'':<13} {paint('mend:', 'dim')} {printable(finding.mend)}")


def _is_utf8() -> bool:
    lang = os.environ.get("LANG", "")
    value = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or lang
    # In the C locale Python sets LC_CTYPE so itself (PEP 538), which says nothing about the terminal.
    if value == "C.UTF-8" and not os.environ.get("LC_ALL") and lang in {"", "C", "POSIX"}:
        return False
    return "utf" in value.lower()
