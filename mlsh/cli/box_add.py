"""`mlsh box add`: first contact with a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlsh.cli.box_words import HELP, put, short_path
from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.config import Settings
    from mlsh.contact.add import Added, Wish


@click.command(context_settings=HELP, short_help="Make a machine a box: by password once, by a key from then on.")
@click.argument("name")
@click.argument("address", metavar="[USER@]HOST[:PORT]")
@click.option("--jump", metavar="BASTION", shell_complete=complete_box, help="Go there through this box or USER@HOST.")
@click.option("--fingerprint", metavar="SHA256:...", help="The host key's fingerprint, instead of being asked.")
@click.option("--key", metavar="FILE", help="Use this key, not a new one. `agent[:COMMENT]`: one that your agent has.")
@click.option("--no-passphrase", is_flag=True, help="Make the new key without asking for a passphrase.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input: one line, one try.")
@click.option("-y", "--yes", is_flag=True, help="Yes to all questions but the one about the host key.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, connect to nothing.")
@json_option
@common
def add(
    name: str,
    address: str,
    jump: str | None,
    fingerprint: str | None,
    key: str | None,
    no_passphrase: bool,
    password_stdin: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a machine a box: log in by password once, and by a key from then on.

    You compare the machine's host key first; only then is a password sent. A new key is made for this box, written on
    it, and tried; then `ssh NAME`, and everything that reads ~/.ssh/config, gets in without a password. A key that
    opens the machine already is left as it is. If anything fails, both machines are as they were.

    \b
      mlsh box add gpu1 ubuntu@203.0.113.7
      mlsh box add gpu2 me@gpu2.internal:2222 --jump bastion
      pass show gpu3 | mlsh box add gpu3 me@gpu3 --password-stdin --fingerprint SHA256:...

    \b
    --json: box, hostname, port, user, proxy_jump, fingerprint, trusted_by (known_hosts, fingerprint, person),
    login (key, password, keyboard-interactive, none), key, installed, config
    """
    from mlsh import config
    from mlsh.cli.contact_talk import Talk, has_terminal, read_password
    from mlsh.contact.add import Wish, plan
    from mlsh.contact.hostkeys import parse_fingerprint
    from mlsh.contact.target import check_new_name, parse_target

    settings = config.load()
    may_ask = has_terminal()
    wish = Wish(
        name=check_new_name(name),
        target=parse_target(address),
        jump=jump or "",
        key=key or "",
        fingerprint=parse_fingerprint(fingerprint) if fingerprint else "",
        asks=may_ask,
        wants_passphrase=may_ask and not (no_passphrase or yes or password_stdin),
    )
    if dry_run:
        _show_plan(wish, settings, as_json)
        return
    plan(wish, settings)  # before a password is asked for
    password = read_password() if password_stdin else None
    talk = Talk(name, is_sure=yes, password=password, may_ask=may_ask)
    from mlsh.contact import add as contact

    added = contact.add(wish, settings, talk)
    if as_json:
        import msgspec

        put(msgspec.to_builtins(added))
    else:
        _show(added)
        _tell_of_agent(added)


def _show(added: Added) -> None:
    from mlsh.cli.talk import say

    if added.login == "key" and added.key is None:
        how = "by a key that you had already; nothing was changed on the box"
    elif not added.installed:
        how = f"by {short_path(added.key or '')}; that key was on the box already"
    else:
        how = f"by the key {short_path(added.key or '')}"
    say(f"{added.box} is a box now: ssh {added.box} gets in {how}")
    say(f"is it fit for jobs? mlsh box doctor {added.box}   What it lacks: mlsh bootstrap {added.box}")


def _tell_of_agent(added: Added) -> None:
    from pathlib import Path

    from mlsh.cli.talk import say
    from mlsh.contact import keys

    if added.key and added.installed and Path(added.key).is_file() and keys.is_locked(Path(added.key)):
        say(f"its key has a passphrase; an agent saves you typing it each time: ssh-add {short_path(added.key)}")


def _show_plan(wish: Wish, settings: Settings, as_json: bool) -> None:
    from mlsh.cli.box_words import plain
    from mlsh.contact.add import plan

    made, key, mine = plan(wish, settings)
    own = mine.keys / wish.name
    if as_json:
        put(
            {
                "box": wish.name,
                "address": str(wish.target),
                "key": key.identity if key else str(own),
                "config": str(mine.ours_path),
                "entry": made.text(),
                "includes": not mine.is_included,
            }
        )
        return
    way = f" by way of {wish.jump}" if wish.jump else ""
    click.echo(f"connect to {wish.target}{way}, and compare its host key")
    click.echo("try the keys that you have; if none opens it, ask for the password")
    click.echo(f"use the key {plain(key.identity)}" if key else f"make a key {plain(str(own))}")
    click.echo("write its public half into ~/.ssh/authorized_keys there")
    if not mine.is_included:
        click.echo(f"put at the top of {plain(str(mine.config_path))}: Include {mine.word}")
    click.echo(f"put into {plain(str(mine.ours_path))}:\n")
    click.echo(made.text(), nl=False)
    click.echo(f"\ncheck: ssh {wish.name} true")
