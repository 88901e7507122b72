"""`mlsh box list`: the machines that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.box_words import HELP, address, complain, put, short_path, table, where
from mlsh.cli.options import common, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlsh.box.inventory import Resolved
    from mlsh.config import Settings

# A list is to be there at once, also where a connection has just died; and soon where each box is asked.
_LIST_LIMIT_S = 2.0
_ASK_LIMIT_S = 20.0


@click.command("list", context_settings=HELP, short_help="The boxes that have a name.")
@click.option("--plain", is_flag=True, help="Only the names, one a line.")
@click.option("--resolve", "with_address", is_flag=True, help="Ask ssh what each name means; still connects to none.")
@click.option("--ask", is_flag=True, help="Connect to each, to see which are drained.")
@json_option
@common
def list_(plain: bool, with_address: bool, ask: bool, as_json: bool) -> None:
    """List the boxes that have a name, and where it is defined. Patterns (Host gpu*) have none.

    Says which are drained (mlsh drain), of this machine and of boxes to which a connection is open already.

    \b
    --json: box, file, line, drained (why; "" where it is not, null where it was not asked);
    with --resolve also hostname, user, port, proxy_jump
    """
    from mlsh import config
    from mlsh.box import inventory

    settings = config.load()
    aliases = inventory.aliases(settings)
    if plain:
        for alias in aliases:
            click.echo(alias.name)
        return
    resolved = _resolve_all([alias.name for alias in aliases], settings) if with_address else {}
    drained = _drained([alias.name for alias in aliases], ask, settings)
    if as_json:
        for alias in aliases:
            fields: dict[str, Any] = {
                "box": alias.name,
                "file": alias.file or None,
                "line": alias.line or None,
                "drained": drained.get(alias.name),
            }
            if with_address:
                fields |= address(resolved.get(alias.name))
            put(fields)
        return
    rows = []
    for alias in aliases:
        found = resolved.get(alias.name)
        defined = f"{short_path(alias.file)}:{alias.line}" if alias.file else "this machine"
        reaches = [where(found) if found else ""] if with_address else []
        rows.append([alias.name, *reaches, defined, drained.get(alias.name, "")])
    titles = ["BOX", *(["REACHES"] if with_address else []), "DEFINED", "DRAINED"]
    if not any(drained.values()):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    table(titles, rows)


def _resolve_all(names: Sequence[str], settings: Settings) -> dict[str, Resolved]:
    """What ssh says of each name; one that it can't tell is complained of and left out."""
    from mlsh.box import LOCAL, inventory, open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import MlshError

    found = {}
    remote = [open_box(name, settings) for name in names if name != LOCAL]
    for box, answer in side_by_side(remote, lambda box: inventory.resolve(box.name, settings)):
        if isinstance(answer, MlshError):
            complain(answer)
        else:
            found[box.name] = answer
    return found


def _drained(names: Sequence[str], connects: bool, settings: Settings) -> dict[str, str]:
    """Why boxes are drained, or "". Those that don't tell are left out, and complained of if each is asked."""
    from mlsh.box import open_box, survey
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import MlshError

    limit_s = _ASK_LIMIT_S if connects else _LIST_LIMIT_S
    boxes = [open_box(name, settings) for name in names]
    asked = [box for box in boxes if connects or box.is_connected()]
    found = {}
    for box, answer in side_by_side(asked, survey.drained, limit_s):
        if not isinstance(answer, MlshError):
            found[box.name] = answer
        elif connects:
            complain(answer)
    return found
