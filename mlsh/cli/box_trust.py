"""`mlsh box trust`: accept another host key."""

from __future__ import annotations

import click

from mlsh.cli.box_words import HELP, put
from mlsh.cli.options import common, complete_box, json_option


@click.command(context_settings=HELP, short_help="Accept a box's new host key, after it was reinstalled.")
@click.argument("box", shell_complete=complete_box)
@click.option("--fingerprint", metavar="SHA256:...", help="The new host key's fingerprint, instead of being asked.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input: one line, one try.")
@json_option
@common
def trust(box: str, fingerprint: str | None, password_stdin: bool, as_json: bool) -> None:
    """Accept the host key that a box shows now: it was reinstalled, or you see it for the first time.

    Shows the old and the new fingerprint, and changes known_hosts once you have compared them. Where the box was added
    by mlsh and its key is gone there, asks for the password and writes it again.

    \b
    --json: box, old (fingerprints), new, changed, key_installed, opens (whether a key opens it now)
    """
    from mlsh import config
    from mlsh.box import LOCAL, check_name
    from mlsh.cli.contact_talk import Talk, has_terminal, read_password
    from mlsh.cli.talk import say
    from mlsh.contact.hostkeys import parse_fingerprint
    from mlsh.contact.trust import trust as accept
    from mlsh.errors import RefusedInput

    if check_name(box) == LOCAL:
        raise RefusedInput("`local` is this machine: it has no host key to accept")
    wanted = parse_fingerprint(fingerprint) if fingerprint else ""
    password = read_password() if password_stdin else None
    talk = Talk(box, is_sure=False, password=password, may_ask=has_terminal())
    trusted = accept(box, config.load(), talk, wanted)
    if as_json:
        import msgspec

        put(msgspec.to_builtins(trusted))
        return
    if not trusted.changed:
        say(f"{box}: this is the host key that you trust already: {trusted.new}")
    else:
        say(f"{box}: trusted from now on: {trusted.new}")
    if trusted.key_installed:
        say(f"{box}: its key was written there again; ssh {box} gets in")
    elif not trusted.opens:
        say(f"{box}: no key of yours opens it yet. One that mlsh made: mlsh box trust {box}, at a terminal or with")
        say(f"--password-stdin, writes it there again; else: ssh-copy-id {box}")
