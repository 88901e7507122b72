"""`mlsh box remove`: forget a box that mlsh added."""

from __future__ import annotations

import click

from mlsh.cli.box_words import HELP, plain, put
from mlsh.cli.options import common, complete_box, json_option


@click.command(context_settings=HELP, short_help="Forget a box that mlsh added, and take its key away.")
@click.argument("box", shell_complete=complete_box)
@click.option("--keep-key", is_flag=True, help="Only forget it: its key stays, here and on the box.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Print what would go, and do nothing.")
@json_option
@common
def remove(box: str, keep_key: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take a box's entry out of your ssh settings, and its own key off the box and off this machine.

    A key that you brought (--key) stays where it is. Jobs and files on the box stay too. A box that others are reached
    by way of (ProxyJump) stays until those are gone.

    \b
    --json: box, key_taken (off the box), key_kept (the file that is still here), config
    """
    import os

    from mlsh import config
    from mlsh.box import check_name
    from mlsh.cli.talk import say
    from mlsh.contact import owned
    from mlsh.contact.remove import check_nothing_behind
    from mlsh.contact.remove import remove as forget
    from mlsh.errors import BoxError, UsageError

    settings = config.load()
    found = owned.find(check_name(box), settings)
    check_nothing_behind(box, settings)
    takes_key = found.key is not None and not found.identity.endswith(".pub") and not keep_key
    if dry_run:
        click.echo(f"take the entry {box} out of {plain(str(found.files.ours_path))}")
        if takes_key:
            click.echo(f"take its key off the box, and delete {plain(str(found.key))}")
        return
    if not yes:
        if not os.isatty(0):
            raise UsageError("nobody is here to confirm it", f"mlsh box remove {box} -y")
        also = ", take its key off the box and delete it here" if takes_key else ""
        click.confirm(f"Forget {box}{also}?", err=True, abort=True)
    try:
        removed = forget(found, settings, takes_key)
    except BoxError as error:
        error.hint = f"is it gone for good? Then forget it without asking it: mlsh box remove {box} --keep-key"
        raise
    _forget_jobs(box)
    if as_json:
        import msgspec

        put(msgspec.to_builtins(removed))
        return
    say(f"{box} is forgotten" + (", and its key is gone there and here" if removed.key_taken else ""))
    if removed.key_kept:
        say(f"its key is still here: {removed.key_kept}")


def _forget_jobs(box: str) -> None:
    """`mlsh ps` has nothing to ask under this name any more."""
    from mlsh.cli.talk import say
    from mlsh.jobs import journal

    try:
        count = journal.forget_box(box)
    except OSError as error:
        say(f"this machine's record of jobs still names {box}: {error.strerror}")
        return
    if count:
        say(f"jobs that you launched there stay on it, {count} of them; add it again to see them: mlsh ps --on NAME")
