"""`mlsh find`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, json_option, verb

if TYPE_CHECKING:
    from mlsh.places.finding import Match, Query


@verb("find")
@click.argument("pattern")
@click.argument("path", required=False)
@click.option("--on", "boxes", multiple=True, metavar="BOX", shell_complete=complete_box,
              help="Look there; several times for several boxes, side by side. Default: this machine.")  # fmt: skip
@click.option("-c", "--content", is_flag=True, help="Look into files, for lines with the pattern.")
@click.option(
    "-e", "--ext", "extensions", multiple=True, metavar="EXT", help="Only files with this extension; repeatable."
)
@click.option("-t", "--type", "kind", type=click.Choice(["f", "d", "l"]), help="Only files, folders or links.")
@click.option("-g", "--glob", is_flag=True, help="PATTERN is a glob for whole names: '*.pt'.")
@click.option("-F", "--fixed", is_flag=True, help="PATTERN is plain text.")
@click.option("-s", "--case-sensitive", "case", flag_value="s", help="Capitals and small letters differ.")
@click.option("-i", "--ignore-case", "case", flag_value="i", help="They don't.")
@click.option("-H", "--hidden", is_flag=True, help="Hidden files too.")
@click.option("-I", "--no-ignore", "ignored", is_flag=True, help="What git ignores too.")
@click.option("-0", "--print0", "nul", is_flag=True, help="A NUL behind each path, for xargs -0; names as they are.")
@json_option
@common
def command(
    pattern: str,
    path: str | None,
    boxes: tuple[str, ...],
    content: bool,
    extensions: tuple[str, ...],
    kind: str | None,
    glob: bool,
    fixed: bool,
    case: str | None,
    hidden: bool,
    ignored: bool,
    nul: bool,
    as_json: bool,
) -> None:
    """Find files below PATH by a regular expression in their names; with -c, lines in them. Here, or on boxes.

    PATH is the current folder, on a box the home folder; ~ is the home of each. Hidden files and what git ignores are
    passed over. A capital in PATTERN makes capitals count.

    \b
      mlsh find config -e yaml
      mlsh find -g '*.pt' runs --on gpu1 --on gpu2
      mlsh find -c 'lr = 3e-4' code --on gpu1

    By fd and rg where they are, else by find, grep and git, with the same results. Exits with 1 where nothing is found.

    \b
    --json: box, path, line and text (null without -c), bytes (base64 of a path that is no UTF-8, else null)
    """
    from mlsh import config
    from mlsh.box import LOCAL, open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.cli.talk import say
    from mlsh.errors import MlshError, UsageError
    from mlsh.places import finding

    if nul and (content or as_json):
        raise UsageError("-0 is for paths", "without -c and --json")
    if content and kind:
        raise UsageError("-c looks into files; -t is for names")
    query = _query(pattern, path, content, extensions, kind, glob, fixed, case, hidden, ignored)
    settings = config.load()
    opened = [open_box(name, settings) for name in dict.fromkeys(boxes or (LOCAL,))]
    plain = [box.name for box in opened] == [LOCAL]
    failure: MlshError | None = None
    has_found = False
    asked = {box.name: _for(box.name, query) for box in opened}
    for box, answer in side_by_side(opened, lambda box: finding.find(box, asked[box.name]), 3 * finding.LIMIT_S):
        if isinstance(answer, MlshError):
            if len(opened) == 1:
                raise answer
            say(answer.what)
            failure = answer
            continue
        for note in answer.notes:
            say(f"{box.name}: {note}")
        has_found = has_found or bool(answer.matches)
        for match in answer.matches:
            _print(box.name, asked[box.name], match, "" if plain else f"{box.name}:", nul, as_json)
        sys.stdout.flush()
    if failure is not None:
        raise SystemExit(int(failure.exit_code))
    if not has_found:
        raise SystemExit(1)


def _for(box: str, query: Query) -> Query:
    """`~/code` was typed, and the shell here made /home/you/code of it: elsewhere it is the home there."""
    import os

    import msgspec

    from mlsh.box import LOCAL

    home = os.path.expanduser("~")
    if box != LOCAL and home != "/" and (query.root == home or query.root.startswith(f"{home}/")):
        return msgspec.structs.replace(query, root="~" + query.root[len(home) :])
    return query


def _query(
    pattern: str,
    path: str | None,
    content: bool,
    extensions: tuple[str, ...],
    kind: str | None,
    glob: bool,
    fixed: bool,
    case: str | None,
    hidden: bool,
    ignored: bool,
) -> Query:
    from mlsh.errors import RefusedInput, UsageError
    from mlsh.places import pattern as patterns
    from mlsh.places.finding import Query

    if glob and fixed:
        raise UsageError("PATTERN is a glob (-g) or plain text (-F), not both")
    if glob and content:
        raise UsageError(
            "a glob is for names", "files: -e EXT; a pattern for lines is a regular expression, or plain with -F"
        )
    root = path or "."
    if "\0" in root:
        raise RefusedInput("a path can't have a NUL byte")
    made = patterns.from_glob(pattern) if glob else patterns.quoted(pattern) if fixed else pattern
    is_sensitive = patterns.is_sensitive(made) if case is None else case == "s"
    return Query(
        patterns.check(made),
        root,
        kind or "any",
        tuple(patterns.check_extension(extension) for extension in extensions),
        is_sensitive,
        hidden,
        ignored,
        content,
    )


def _print(box: str, query: Query, match: Match, prefix: str, nul: bool, as_json: bool) -> None:
    root = query.root.encode(errors="surrogateescape")
    whole = match.path if query.root == "." else root.rstrip(b"/") + b"/" + match.path
    if as_json:
        _print_json(box, whole, match)
        return
    if nul:
        sys.stdout.buffer.write(prefix.encode() + whole + b"\0")
        return
    from mlsh.cli.talk import paint
    from mlsh.shell.visible import printable

    shown = prefix + printable(whole.decode(errors="surrogateescape"))
    if query.is_content:
        text = printable(match.text[:500].decode(errors="replace").replace("\t", "    "))
        shown = f"{paint(shown, 'cyan')}:{match.line}:{text}"
    click.echo(shown)


def _print_json(box: str, path: bytes, match: Match) -> None:
    import base64

    import msgspec

    fields: dict[str, Any] = {
        "box": box,
        "path": path.decode(errors="replace"),
        "line": match.line or None,
        "text": match.text.decode(errors="replace") if match.line else None,
        "bytes": None,
    }
    try:
        path.decode()
    except UnicodeDecodeError:
        fields["bytes"] = base64.b64encode(path).decode()
    click.echo(msgspec.json.encode(fields).decode())
