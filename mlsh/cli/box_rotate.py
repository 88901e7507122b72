"""`mlsh box rotate-key`: replace the keys that open boxes."""

from __future__ import annotations

import click

from mlsh.cli.box_words import HELP, complain, put
from mlsh.cli.options import common, complete_box, json_option


@click.command("rotate-key", context_settings=HELP, short_help="Replace the key that opens a box by a new one.")
@click.argument("boxes", nargs=-1, metavar="[BOX]...", shell_complete=complete_box)
@click.option("--all", "every", is_flag=True, help="Of every box that mlsh added with a key of its own.")
@click.option("--dry-run", is_flag=True, help="Print whose keys would be replaced, connect to nothing.")
@json_option
@common
def rotate_key(boxes: tuple[str, ...], every: bool, dry_run: bool, as_json: bool) -> None:
    """Give boxes that mlsh added another key: write the new one there, try it, then take the old one away.

    One box after the other; where one fails it keeps its old key, and the others go on. Exits with the code of the
    last failure.

    \b
    --json: box, old, new (fingerprints), key (the file), error
    """
    from mlsh import config
    from mlsh.cli.contact_talk import has_terminal
    from mlsh.cli.talk import say
    from mlsh.contact import owned
    from mlsh.contact.rotate import rotate
    from mlsh.errors import MlshError, UsageError

    settings = config.load()
    if every == bool(boxes):
        raise UsageError("name boxes, or say --all", "mlsh box rotate-key gpu1; see: mlsh box list")
    found = [owned.find(name, settings) for name in (owned.names(settings) if every else dict.fromkeys(boxes))]
    skipped = [box.name for box in found if every and (box.key is None or box.identity.endswith(".pub"))]
    for name in skipped:
        say(f"{name}: its key is one of your own, so it stays")
    code = 0
    for name in [box.name for box in found if box.name not in skipped]:
        if dry_run:
            click.echo(name)
            continue
        try:
            done = rotate(name, settings, asks=has_terminal())
        except MlshError as error:
            complain(error)
            code = int(error.exit_code)
            if as_json:
                put({"box": name, "old": None, "new": None, "key": None, "error": error.what})
            continue
        if as_json:
            put({"box": name, "old": done.old, "new": done.new, "key": done.key, "error": None})
        else:
            say(f"{name}: opened by {done.new} now; {done.old} is gone there")
    if code:
        raise SystemExit(code)
