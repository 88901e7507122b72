"""`mlsh secret`: keep secrets for jobs, in the system's keyring or an encrypted file."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli import secret_scan
from mlsh.cli.options import common, dry_run_option, json_option

if TYPE_CHECKING:
    from mlsh.secrets.store import Kept, Place, Store

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# Larger ones are files, and go with `mlsh push`.
_MOST_BYTES = 1 << 16


def complete_secret(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of kept secrets for shell completion: nothing is opened."""
    from mlsh.secrets.store import Store

    return [kept.name for kept in Store().kept() if kept.name.startswith(incomplete)]


@click.group("secret", context_settings=_HELP, no_args_is_help=True)
@common
def command() -> None:
    """Keep secrets for jobs: in the system's keyring, else in an encrypted file.

    mlsh run --secret NAME takes them from there where the environment has no such variable.
    """


command.add_command(secret_scan.command)


@command.command("set", context_settings=_HELP, short_help="Keep a secret. Its value is asked for, or read from stdin.")
@click.argument("name")
@click.option(
    "--in", "place", type=click.Choice(["keyring", "file"]), help="Where; default: the keyring, if there is one."
)
@click.option("-y", "--yes", is_flag=True, help="Replace one that is kept already, without asking.")
@dry_run_option
@common
def set_(name: str, place: Place | None, yes: bool, dry_run: bool) -> None:
    """Keep a secret under NAME, which is the name of the variable that a job will see.

    The value is asked for, unseen, or read from standard input (a last newline is not part of it). It can't be given
    as a word of the command: everyone on this machine could see it there.
    """
    from mlsh.cli.talk import say
    from mlsh.errors import UsageError
    from mlsh.secrets.store import Store, check_name

    if "=" in name:
        raise UsageError(
            "a value in the command is seen by everyone on this machine, and is in your shell's history now",
            "take it out there, and give only the name: mlsh secret set NAME",
        )
    store = Store()
    before = store.find(check_name(name))
    chosen = place or (before.place if before else None) or _usual_place(store)
    if dry_run:
        say(f"{name} would be {'replaced' if before else 'kept'} in {_where(store, chosen)}")
        return
    if before and not yes:
        _confirm(f"{name} is kept already, since {_date(before.set_s)}. Replace it?")
    value = _value(name)
    store.put(name, value, chosen)
    say(f"{name} is in {_where(store, chosen)}; a job gets it by: mlsh run --secret {name} ...")
    import os

    if os.environ.get(name) not in {None, value}:
        say(f"this shell has a variable {name} with another value, and jobs get that one: unset {name}")


@command.command("list", context_settings=_HELP, short_help="Which secrets are kept, and where; no values.")
@click.option("--plain", is_flag=True, help="Only the names, one a line.")
@json_option
@common
def list_(plain: bool, as_json: bool) -> None:
    """List the secrets that are kept. Opens neither keyring nor file: values are not even read.

    \b
    --json: name, place (keyring, file), set (seconds since 1970)
    """
    from mlsh.cli.talk import paint
    from mlsh.secrets.store import Store
    from mlsh.shell.table import columns

    store = Store()
    kept = store.kept()
    if plain:
        for each in kept:
            click.echo(each.name)
        return
    if as_json:
        for each in kept:
            _put(_fields(each))
        return
    if not kept:
        click.echo("mlsh: no secret is kept; keep one: mlsh secret set HF_TOKEN", err=True)
        return
    rows = [[each.name, _short(store, each.place), _date(each.set_s)] for each in kept]
    head, *lines = columns([["NAME", "WHERE", "SET"], *rows], None)
    click.echo(paint(head, "dim"))
    for line in lines:
        click.echo(line)


@command.command(context_settings=_HELP, short_help="Where a secret is; its value only with --value.")
@click.argument("name", shell_complete=complete_secret)
@click.option("--value", "with_value", is_flag=True, help="Print the value, to stdout.")
@json_option
@common
def show(name: str, with_value: bool, as_json: bool) -> None:
    """Say where a secret is kept and since when. With --value, print what it is.

    \b
    --json: name, place (keyring, file), set (seconds since 1970); with --value also value
    """
    from mlsh.secrets.store import Store, check_name

    store = Store()
    kept = store.find(check_name(name))
    if kept is None:
        raise _unknown(store, name)
    value = store.get(name) if with_value else None
    if as_json:
        _put(_fields(kept) | ({"value": value} if with_value else {}))
    elif with_value:
        click.echo(value)
    else:
        click.echo(f"{name} is in {_where(store, kept.place)}, set on {_date(kept.set_s)}")


@command.command(context_settings=_HELP, short_help="Forget secrets.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_secret)
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@dry_run_option
@common
def remove(names: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Forget secrets, wherever they are kept. What was given to jobs stays valid: revoke it where it came from."""
    from mlsh.cli.talk import say
    from mlsh.secrets.store import Store, check_name

    store = Store()
    wanted = list(dict.fromkeys(map(check_name, names)))
    for name in wanted:
        if store.find(name) is None:
            raise _unknown(store, name)
    if dry_run:
        say(f"would forget {', '.join(wanted)}")
        return
    if not yes:
        _confirm(f"Forget {', '.join(wanted)}? No copy is kept.")
    for name in wanted:
        store.remove(name)
        say(f"{name} is forgotten")


@command.command(context_settings=_HELP, short_help="Give the encrypted file another passphrase.")
@common
def passphrase() -> None:
    """Give the encrypted file another passphrase. Both are asked for; a key file gives only the one of now."""
    from mlsh.cli.talk import say
    from mlsh.errors import NotFound
    from mlsh.secrets import passphrase as words
    from mlsh.secrets.store import Store

    store = Store()
    if not store.file.exists():
        raise NotFound(
            f"there is no encrypted file {store.file}",
            "the first secret in it makes it: mlsh secret set NAME --in file",
        )
    store.change_passphrase()
    say(f"{store.file} has the new passphrase; copies of the file from before still open with the old one")
    if (key := words.key_file()) is not None:
        say(f"put the new passphrase into {key} too: what is in there opens the file no more")


def _usual_place(store: Store) -> Place:
    from mlsh.cli.talk import say

    if not store.keyring.why_not:
        return "keyring"
    say(f"{store.keyring.why_not}; secrets go into an encrypted file, {store.file}")
    return "file"


def _where(store: Store, place: Place) -> str:
    return f"the encrypted file {store.file}" if place == "file" else store.keyring.name or "the keyring"


def _short(store: Store, place: Place) -> str:
    import os

    home = os.path.expanduser("~")
    path = str(store.file)
    return place if place == "keyring" else f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _fields(kept: Kept) -> dict[str, Any]:
    return {"name": kept.name, "place": kept.place, "set": kept.set_s}


def _put(fields: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.encode(fields).decode())


def _unknown(store: Store, name: str) -> Exception:
    from difflib import get_close_matches

    from mlsh.errors import NotFound

    near = get_close_matches(name, [kept.name for kept in store.kept()], n=1)
    return NotFound(f"no secret {name} is kept", f"did you mean {near[0]}?" if near else "see: mlsh secret list")


def _confirm(question: str) -> None:
    from mlsh.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"{question.partition('?')[0]}? Nobody can be asked here", "say so beforehand: -y")
    click.confirm(question, abort=True, err=True)


def _value(name: str) -> str:
    """The value, from standard input or the terminal. Raises RefusedInput for none, and for what can't be one."""
    from mlsh.errors import RefusedInput

    if sys.stdin.isatty():
        from mlsh.secrets.passphrase import ask

        value = ask(f"Value of {name} (not shown): ", why=f"the value of {name} is needed")
    else:
        raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise RefusedInput(f"the value of {name} is larger than {_MOST_BYTES >> 10} KiB; nothing was stored")
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            raise RefusedInput(f"the value of {name} is not UTF-8 text; nothing was stored") from None
        value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise RefusedInput(f"{name} would be empty; nothing was stored")
    if "\0" in value:
        raise RefusedInput(f"the value of {name} has a NUL byte, which no environment can hold; nothing was stored")
    return value
