"""`mlsh save`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mlsh.cli.options import common, json_option, verb
from mlsh.errors import UsageError

if TYPE_CHECKING:
    from mlsh.undo.records import Record
    from mlsh.undo.repository import Repository


@verb("save")
@click.option(
    "-m", "--message", metavar="TEXT", default="", help="A name for it. What has a name is kept until you --drop it."
)
@click.option("--list", "listing", is_flag=True, help="List what was saved, by you and by mlsh before its own changes.")
@click.option("--restore", type=int, metavar="N", help="Put the files and the index of a save back.")
@click.option("--to", "branch", metavar="BRANCH", help="With --restore: put the files on a new branch instead.")
@click.option("--refs", is_flag=True, help="With --restore: HEAD, branches, tags and stash too.")
@click.option("--drop", metavar="N|all", help="Forget a save, or all that was saved or recorded.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@json_option
@common
def command(
    message: str, listing: bool, restore: int | None, branch: str | None, refs: bool, drop: str | None, yes: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Save everything as it is now: branches, HEAD, index, files, untracked ones too.

    Kept in the repository, under refs/mlsh/. What is ignored is left out, and what is larger than 20 MiB.
    """
    from pathlib import Path

    from mlsh.undo import records, repository

    if sum([listing, restore is not None, drop is not None]) > 1:
        raise UsageError("--list, --restore and --drop are different things", "see: mlsh save -h")
    if (branch or refs) and restore is None:
        raise UsageError("--to and --refs say how to restore", "mlsh save --restore N --to BRANCH")
    if branch and refs:
        raise UsageError("--to touches nothing but the new branch, and --refs moves the others", "choose one of them")
    repo = repository.find(Path.cwd())
    if listing:
        _list(records.ours(repo, records.load_all(repo)), as_json)
        return
    repo.require_top()
    with repo.changing():
        if restore is not None:
            _restore(repo, restore, branch, refs, yes)
        elif drop is not None:
            _drop(repo, drop)
        else:
            _save(repo, message, as_json)


def _save(repo: Repository, message: str, as_json: bool) -> None:
    import json

    from mlsh.cli.talk import say
    from mlsh.undo.capture import LARGEST_FILE, capture
    from mlsh.undo.records import unpacked

    record = capture(repo, "save", message, named=bool(message))
    meta = record.meta
    for path, size in meta.left_out[:10]:
        why = (
            f"larger than {LARGEST_FILE >> 20} MiB"
            if size > LARGEST_FILE
            else "no more room in one save, or unreadable"
        )
        say(f"left out: {unpacked(path)} ({size / 2**20:.1f} MiB: {why})")
    if len(meta.left_out) > 10:
        say(f"left out: {len(meta.left_out) - 10} more")
    if as_json:
        click.echo(json.dumps(_as_json(record)))
        return
    say(f"saved as {meta.number}; to put it back: mlsh save --restore {meta.number}")


def _list(records: list[Record], as_json: bool) -> None:
    import json
    import time

    from mlsh.cli.talk import terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable
    from mlsh.undo.records import unpacked

    if as_json:
        for record in records:
            click.echo(json.dumps(_as_json(record)))
        return
    rows = [("N", "WHEN", "WHAT", "ON", "TITLE")]
    for record in records:
        meta = record.meta
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(meta.time_ns / 1e9))
        on = printable(unpacked(meta.head).removeprefix("ref: refs/heads/"))[:24]
        rows.append((str(meta.number), when, meta.kind, on, printable(unpacked(meta.title))))
    if len(rows) > 1:
        click.echo("\n".join(columns(rows, terminal_width(), right=frozenset({0}))))


def _as_json(record: Record) -> dict[str, object]:
    from mlsh.undo.records import unpacked

    meta = record.meta
    return {
        "number": meta.number,
        "kind": meta.kind,
        "title": _text(unpacked(meta.title)),
        "time": meta.time_ns / 1e9,
        "head": _text(unpacked(meta.head)),
        "commit": meta.commit or None,
        "record": record.commit,
        "left_out": [_text(unpacked(path)) for path, _ in meta.left_out],
    }


def _text(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _drop(repo: Repository, which: str) -> None:
    from mlsh.cli.talk import say
    from mlsh.undo import records

    every = records.load_all(repo)
    if which == "all":
        records.drop(repo, every)
        (repo.common / "mlsh/rescue.json").unlink(missing_ok=True)
        say(f"{len(every)} forgotten; until git's gc comes by they are still there")
        return
    if not which.isdigit():
        raise UsageError(f"{which} is no number of a save", "those that there are: mlsh save --list")
    record = records.get(every, int(which))
    records.drop(repo, [record])
    say(f"forgotten; until git's gc comes by it is still there: git branch NAME {record.commit[:12]}")


def _restore(repo: Repository, number: int, branch: str | None, refs: bool, yes: bool) -> None:
    from mlsh.cli.talk import say
    from mlsh.cli.undo import ask
    from mlsh.undo import records, restore

    record = records.get(records.ours(repo, records.load_all(repo)), number)
    if branch:
        commit = restore.to_branch(repo, record, branch)
        say(f"{branch} is a new branch with the files of {number}, at {commit[:9]}; to go there: git switch {branch}")
        return
    if not (yes or os.isatty(0)):
        raise UsageError("restore asks before it changes files, and there is no terminal", "mlsh save --restore N -y")
    what = "HEAD, branches, tags, stash, index and files" if refs else "Index and files"
    if not yes:
        ask(f"{what} go back to what they were in {number}?", default=True)
    restore.in_place(repo, record, refs)
    say(f"restored from {number}; to take that back: mlsh undo")
