"""`mlsh box show`: what a machine is, and how ssh reaches it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.box_words import HELP, address, complain, guess, pair, put, short_path, where
from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.box.facts import Facts
    from mlsh.box.inventory import Resolved
    from mlsh.config import Settings
    from mlsh.errors import MlshError


@click.command(context_settings=HELP, short_help="What a box is, and how ssh reaches it.")
@click.argument("box", shell_complete=complete_box)
@json_option
@common
def show(box: str, as_json: bool) -> None:
    """What a box is: how ssh reaches it, mlsh's settings for it, and what it has.

    \b
    --json: box, file, line, hostname, user, port, identity_files, proxy_jump, home, shell, multiplex,
    drained (why, or ""), error, facts (docs/reference/json.md)
    """
    from mlsh import config
    from mlsh.box import LOCAL, inventory, open_box, survey
    from mlsh.errors import MlshError

    settings = config.load()
    opened = open_box(box, settings)
    alias = next((alias for alias in inventory.aliases(settings) if alias.name == box), None)
    resolved = inventory.resolve(box, settings) if box != LOCAL else None
    error: MlshError | None = None
    facts = None
    if not as_json:
        _show_way(box, alias, resolved, settings)
        sys.stdout.flush()
    try:
        facts = survey.look(opened).facts
    except MlshError as failure:
        error = failure
    if as_json:
        import msgspec

        put(
            {
                "box": box,
                "file": (alias.file or None) if alias else None,
                "line": (alias.line or None) if alias else None,
                **address(resolved),
                "identity_files": list(resolved.identity_files) if resolved else [],
                "home": settings.home(box) or "~/.mlsh",
                "shell": settings.shell(box),
                "multiplex": settings.multiplex(box),
                "drained": facts.drained if facts else None,
                "error": error.what if error else None,
                "facts": msgspec.to_builtins(facts) if facts else None,
            }
        )
    elif facts is not None:
        _show_facts(facts)
    if error is not None:
        complain(error, guess(box, settings) if alias is None else "")
        raise SystemExit(int(error.exit_code))


def _show_way(box: str, alias: Any, resolved: Resolved | None, settings: Settings) -> None:
    pair("box", box)
    if resolved is not None:
        pair("reaches", where(resolved))
        pair("keys", ", ".join(map(short_path, resolved.identity_files)))
        pair(
            "defined",
            f"{short_path(alias.file)}:{alias.line}" if alias else "nowhere by this name; ssh takes it as it is",
        )
        pair("sharing", "one connection for all commands" if settings.multiplex(box) else "off (multiplex = false)")
    pair("mlsh home", settings.home(box) or "~/.mlsh")
    pair("job shell", settings.shell(box))


def _show_facts(facts: Facts) -> None:
    from mlsh.box.check_disks import size
    from mlsh.box.gpus import gpus as gpus_of
    from mlsh.box.gpus import trouble

    pair("drained", f"{facts.drained}: no job of yours begins there until mlsh drain --off" if facts.drained else "")
    pair("node", facts.node)
    pair("system", ", ".join(filter(None, (facts.os, facts.kernel))))
    pair("user", f"{facts.user}, {facts.login_shell}")
    memory = f", {size((facts.memory_mib or 0) << 10)} memory" if facts.memory_mib else ""
    pair("cpus", f"{facts.cpus}{memory}" if facts.cpus else "")
    # Where several folders are on one disk, it is shown as that of the home.
    disks = [facts.disks[name] for name in ("tmp", "mlsh", "home") if name in facts.disks]
    for disk in {disk.mount: disk for disk in disks}.values():
        kind = f"{disk.filesystem}, shared" if disk.is_shared else disk.filesystem
        pair("disk", f"{disk.folder}: {size(disk.free_kib)} free of {size(disk.total_kib)} ({kind or 'unknown'})")
    for gpu in gpus_of(facts):
        total = f", {size(gpu.memory_total_mib << 10)}" if gpu.memory_total_mib else ""
        pair("gpu", f"{gpu.index}: {gpu.name}{total}, driver {gpu.driver}")
    pair("gpu", trouble(facts))
    for name, tool in facts.tools.items():
        pair(name, tool.said)
    pair("hangs", ", ".join(facts.hung))
