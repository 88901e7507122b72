"""`mlsh rescue`: what was lost, and how to get it back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, json_option

if TYPE_CHECKING:
    from mlsh.undo.repository import Repository

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_yes_option = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


@click.group("rescue", context_settings=_HELP, invoke_without_command=True)
@click.option("--deep", is_flag=True, help="Wait for git's fsck as long as it takes, in place of a minute.")
@click.option("--all", "every", is_flag=True, help="All of it, in place of the 40 newest.")
@json_option
@common
@click.pass_context
def command(ctx: click.Context, deep: bool, every: bool, as_json: bool) -> None:
    """List what can be got back, the newest first; changes nothing.

    Commits that no branch has any more, dropped stashes, deleted branches and tags, files that were staged once, and
    what mlsh recorded before its own changes.
    """
    if ctx.invoked_subcommand is None:
        _list(deep, every, as_json)


def _repo() -> Repository:
    from pathlib import Path

    from mlsh.undo import repository

    return repository.find(Path.cwd())


def _list(deep: bool, every: bool, as_json: bool) -> None:
    import json

    import msgspec

    from mlsh.cli.talk import say, terminal_width
    from mlsh.shell.table import columns
    from mlsh.shell.visible import printable
    from mlsh.undo import rescue

    repo = _repo()
    listing = rescue.find(repo, deep)
    rescue.remember(repo, listing)
    if not listing.complete:
        say("git's fsck took more than a minute, so what only it knows is not in the list: mlsh rescue --deep")
    if as_json:
        for number, item in enumerate(listing.items, 1):
            click.echo(json.dumps({"number": number, **msgspec.structs.asdict(rescue.packed_item(item))}))
        return
    shown = listing.items if every else listing.items[:40]
    rows = [("N", "WHAT", "WHEN", "OBJECT", "TITLE")]
    for number, item in enumerate(shown, 1):
        title = printable(item.title) + (f"  ({printable(item.note)})" if item.note else "")
        rows.append((str(number), item.kind, _when(item.time_s), item.name[:9], title))
    if not shown:
        say("nothing is lost here that git still has")
        return
    click.echo("\n".join(columns(rows, terminal_width(), right=frozenset({0}))))
    if len(shown) < len(listing.items):
        say(f"{len(listing.items) - len(shown)} older ones: mlsh rescue --all")
    say("look into one: mlsh rescue show N; bring it back to a new branch or file: mlsh rescue take N")


def _when(time_s: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_s)) if time_s else "?"


@command.command(context_settings=_HELP, short_help="What one of them holds.")
@click.argument("which", metavar="N|OBJECT")
@click.option("--stat", is_flag=True, help="Only which files, and how many lines.")
@common
def show(which: str, stat: bool) -> None:
    """Show the changes of a commit, stash or save, or a file's bytes."""
    from mlsh.cli.diff import show_patch
    from mlsh.undo import rescue

    repo = _repo()
    show_patch(rescue.show(repo, rescue.which(repo, which), stat, sys.stdout.isatty()))


@command.command(context_settings=_HELP, short_help="Bring one back, to a new branch or file.")
@click.argument("which", metavar="N|OBJECT")
@click.option("--to", default="", metavar="NAME", help="The new branch; of a file, the new file.")
@common
def take(which: str, to: str) -> None:
    """Bring one back: to a new branch, or a new file. Nothing that is there is touched."""
    from mlsh.cli.talk import say
    from mlsh.undo import rescue

    repo = _repo()
    item = rescue.which(repo, which)
    if item.kind == "file":
        click.echo(rescue.take(repo, item, to))
        return
    with repo.changing():
        name = rescue.take(repo, item, to)
    if item.kind == "stash":
        say(f"to have it in your files: git stash apply --index {name}; in the stash: git stash store {item.name[:12]}")
    else:
        say(f"a new branch; to go there: git switch {name}")
    click.echo(name)


@command.command(context_settings=_HELP, short_help="Explain the conflict that you are in.")
@json_option
@common
def conflict(as_json: bool) -> None:
    """Explain a conflict: what ours, theirs and base are, which commits brought them, and every way out."""
    import msgspec

    from mlsh.undo import conflict as conflicts

    found = conflicts.explain(_repo())
    if as_json:
        import json

        click.echo(json.dumps(msgspec.to_builtins(found)).encode(errors="replace"))
        return
    for line in _conflict_lines(found):
        click.echo(line)


def _conflict_lines(found: Any) -> list[str]:
    import shlex

    from mlsh.shell.visible import printable

    lines = [f"In the middle of a {found.during}." if found.during else "The files are in conflict."]
    lines += [f"  ours    {printable(found.ours)}", f"  theirs  {printable(found.theirs)}"]
    for file in found.files:
        name = printable(shlex.quote(file.path))
        marked = f", {file.places} place{'s' if file.places != 1 else ''} marked" if file.places else ""
        lines += ["", f"{printable(file.path)}: {file.what}{marked}"]
        lines += [f"  ours    {printable(commit)}" for commit in file.ours.commits]
        lines += [f"  theirs  {printable(commit)}" for commit in file.theirs.commits]
        if file.base:
            lines.append(f"  as it was before both:  git show {file.base[:12]}")
        for side, word in ((file.ours, "ours"), (file.theirs, "theirs")):
            keep = f"git checkout --{word} -- {name}" if side.object else f"git rm -- {name}"
            lines.append(f"  to keep {word + ':':8}{keep}")
        lines.append(f"  when it is right:  git add -- {name}")
    on = f"git {found.during} --continue" if found.during else "git commit"
    lines += ["", f"To go on when all are right:  {on}", f"To go back to before it:  {found.abort}  (or: mlsh undo)"]
    if not found.rerere:
        lines.append("To have git remember how you resolve these:  git config rerere.enabled true && git rerere")
    return lines


@command.command("wrong-branch", context_settings=_HELP, short_help="Move the last commits to another branch.")
@click.option("--to", "target", required=True, metavar="BRANCH", help="Where they belong; made if it is not there.")
@click.option("-n", "count", type=click.IntRange(1), default=1, show_default=True, help="How many commits.")
@_yes_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@common
def wrong_branch(target: str, count: int, yes: bool, dry_run: bool) -> None:
    """Committed to the wrong branch: move the last commits of this one to BRANCH.

    Onto a branch that is there they are picked, in a folder aside. If they don't fit there, nothing is changed.
    """
    from mlsh.cli.talk import say
    from mlsh.cli.undo import ask
    from mlsh.errors import UsageError
    from mlsh.undo import wrong_branch as moving

    if not (yes or dry_run or os.isatty(0)):
        raise UsageError("this asks before it moves commits, and there is no terminal to ask at", "again with -y")
    repo = _repo()
    repo.require_top()
    with repo.changing():
        move = moving.plan(repo, target, count)
        way = "made there" if move.is_new else "picked on top of it"
        say(f"from {move.source} to {'the new branch ' if move.is_new else ''}{move.target}, {way}:")
        for subject in move.subjects:
            say(f"  {subject}")
        say(f"{move.source} goes back to {move.base[:9]}; you stay on it")
        if move.on_remote:
            say(f"careful: {move.on_remote} has them already; to take them back there: mlsh revert")
        if dry_run:
            return
        if not yes:
            ask("Move them?", default=not move.on_remote)
        moving.carry_out(repo, move)
    say(f"moved; to go there: git switch {move.target}; to take it back: mlsh undo")


@command.command(context_settings=_HELP, short_help="Take a secret or a huge file out of commits not yet pushed.")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@click.option("--secret", is_flag=True, help="A text, which is asked for, or read from a pipe; it is never shown.")
@_yes_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@common
def scrub(paths: tuple[str, ...], secret: bool, yes: bool, dry_run: bool) -> None:
    """Take FILEs, or a secret text, out of the commits that no remote has.

    They are written anew. Files in the work tree stay as they are. What has been pushed is left alone: you are told
    what to do then.
    """
    from mlsh.cli.talk import say
    from mlsh.cli.undo import ask
    from mlsh.errors import UsageError
    from mlsh.undo import scrub as scrubbing

    if bool(paths) == secret:
        raise UsageError("name FILEs, or say --secret", "see: mlsh rescue scrub -h")
    if not (yes or dry_run or (os.isatty(0) and not (secret and not sys.stdin.isatty()))):
        raise UsageError("scrub asks before it writes commits anew, and there is no terminal", "again with -y")
    repo = _repo()
    text = _read_secret() if secret else b""
    repo.require_top()
    with repo.changing():
        found = scrubbing.plan_secret(repo, text) if secret else scrubbing.plan_paths(repo, _from_top(repo, paths))
        say(f"{len(found.commits)} commits that no remote has are written anew; it is in:")
        for place in found.places[:20]:
            say(f"  {place}")
        for name in scrubbing.others(repo, found):
            say(f"careful: {name} has these commits too, and keeps them as they are")
        if dry_run:
            return
        if not yes:
            ask("Write them anew?", default=True)
        _, tip = scrubbing.carry_out(repo, found)
    say(f"done: {found.branch.removeprefix('refs/heads/')} is at {tip[:9]}; the files on your disk are as they were")
    if secret:
        say("take it out of those too; and where it was ever seen by others, switch it off")
    say("the old commits stay here for mlsh undo. To be rid of them for good, and of all your saves:")
    for line in (
        "mlsh save --drop all",
        "git reflog expire --expire-unreachable=now --all",
        "git gc --prune=now",
    ):
        say(f"  $ {line}")


def _read_secret() -> bytes:
    if sys.stdin.isatty():
        typed: str = click.prompt("The secret", hide_input=True, err=True)
        return os.fsencode(typed)
    return sys.stdin.buffer.read().rstrip(b"\n")


def _from_top(repo: Repository, paths: tuple[str, ...]) -> list[str]:
    """Paths as git has them, from the top of the work tree."""
    top = os.path.realpath(repo.require_top())
    return [os.path.relpath(os.path.join(os.path.realpath("."), path), top) for path in paths]
