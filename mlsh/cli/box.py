"""`mlsh box`: the machines that there are, how they are reached, and whether they are fit for jobs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlsh.box import Box
    from mlsh.box.facts import Facts
    from mlsh.box.gpus import Gpu
    from mlsh.box.inventory import Resolved
    from mlsh.config import Settings
    from mlsh.errors import MlshError

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# A box may take its time to connect, and then to tell its facts.
_LIMIT_S = 60.0
# A list is to be there at once, also where a connection has just died; and soon where each box is asked.
_LIST_LIMIT_S = 2.0
_ASK_LIMIT_S = 20.0


@click.group("box", context_settings=_HELP, no_args_is_help=True)
@common
def command() -> None:
    """Look at machines. A box is `local`, or any Host of ~/.ssh/config: there is nothing to set up."""


@command.command("list", context_settings=_HELP, short_help="The boxes that have a name.")
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
                fields |= _address(resolved.get(alias.name))
            _put(fields)
        return
    rows = []
    for alias in aliases:
        found = resolved.get(alias.name)
        defined = f"{_short(alias.file)}:{alias.line}" if alias.file else "this machine"
        reaches = [_where(found) if found else ""] if with_address else []
        rows.append([alias.name, *reaches, defined, drained.get(alias.name, "")])
    titles = ["BOX", *(["REACHES"] if with_address else []), "DEFINED", "DRAINED"]
    if not any(drained.values()):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    _table(titles, rows)


@command.command(context_settings=_HELP, short_help="What a box is, and how ssh reaches it.")
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

        _put(
            {
                "box": box,
                "file": (alias.file or None) if alias else None,
                "line": (alias.line or None) if alias else None,
                **_address(resolved),
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
        _complain(error, _guess(box, settings) if alias is None else "")
        raise SystemExit(int(error.exit_code))


@command.command(context_settings=_HELP, short_help="Check boxes, and say what mends them.")
@click.argument("boxes", nargs=-1, metavar="[BOX]...", shell_complete=complete_box)
@click.option("-q", "--quiet", is_flag=True, help="Only what is not in order.")
@json_option
@common
def doctor(boxes: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Check whether boxes can be reached and are fit for jobs, and say what mends them. Default: this machine.

    Changes nothing. Each box is printed when it has answered. Exits with 71 if a check failed.

    \b
    --json: box, status (ok, warn, fail), findings: check, status (ok, warn, fail, skip), what, mend
    """
    from mlsh.box import doctor as checks
    from mlsh.box.fanout import side_by_side
    from mlsh.box.findings import Finding, worst
    from mlsh.cli.findings_view import show_findings
    from mlsh.errors import ExitCode, MlshError

    settings, opened = _open(boxes)
    is_bad = False
    for box, answer in side_by_side(opened, checks.look_at, _LIMIT_S):
        if isinstance(answer, MlshError):
            findings = [Finding("reachable", "fail", answer.what, answer.hint)]
        else:
            findings = checks.examine(*answer)
        status = worst(findings)
        is_bad = is_bad or status == "fail"
        if as_json:
            import msgspec

            _put({"box": box.name, "status": status, "findings": msgspec.to_builtins(findings)})
        else:
            show_findings(box.name, findings, quiet)
            if findings[0].status == "fail" and (guess := _guess(box.name, settings)):
                click.echo(f"mlsh: {guess}", err=True)
        sys.stdout.flush()
    if is_bad:
        raise SystemExit(int(ExitCode.BOX_UNFIT))


@command.command(context_settings=_HELP, short_help="GPUs, and who computes on them.")
@click.argument("boxes", nargs=-1, metavar="[BOX]...", shell_complete=complete_box)
@json_option
@common
def gpus(boxes: tuple[str, ...], as_json: bool) -> None:
    """List GPUs, how busy they are, and who computes on them. Default: this machine.

    \b
    --json: box, error, gpus: index, uuid, name, memory_total_mib, memory_used_mib, utilization_percent,
    temperature_c, driver, slices, processes: pid, user, memory_mib, name
    """
    from mlsh.box import gpus as cards
    from mlsh.box import survey
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import BoxUnfit, ExitCode, MlshError

    settings, opened = _open(boxes)
    code = ExitCode.OK
    for box, answer in side_by_side(opened, lambda box: survey.look(box, "gpus").facts, _LIMIT_S):
        error = answer if isinstance(answer, MlshError) else _driver_error(box.name, answer)
        found = [] if isinstance(answer, MlshError) else cards.gpus(answer)
        if error is not None:
            code = error.exit_code
            _complain(error, "" if isinstance(error, BoxUnfit) else _guess(box.name, settings))
        if as_json:
            import msgspec

            _put({"box": box.name, "error": error.what if error else None, "gpus": msgspec.to_builtins(found)})
            continue
        if error is None and not found:
            click.echo(f"mlsh: {box.name}: no GPU", err=True)
        rows = [row for gpu in found for row in _gpu_rows(box.name, gpu)]
        _table(["BOX", "GPU", "BUSY", "MEMORY", "TEMP", "NAME"], rows, right=frozenset({1, 2, 3, 4}))
        sys.stdout.flush()
    if code:
        raise SystemExit(int(code))


# What the verbs share


def _open(names: Sequence[str]) -> tuple[Settings, list[Box]]:
    from mlsh import config
    from mlsh.box import LOCAL, open_box

    settings = config.load()
    return settings, [open_box(name, settings) for name in dict.fromkeys(names or (LOCAL,))]


def _resolve_all(names: Sequence[str], settings: Settings) -> dict[str, Resolved]:
    """What ssh says of each name; one that it can't tell is complained of and left out."""
    from mlsh.box import LOCAL, inventory, open_box
    from mlsh.box.fanout import side_by_side
    from mlsh.errors import MlshError

    found = {}
    remote = [open_box(name, settings) for name in names if name != LOCAL]
    for box, answer in side_by_side(remote, lambda box: inventory.resolve(box.name, settings)):
        if isinstance(answer, MlshError):
            _complain(answer)
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
            _complain(answer)
    return found


def _guess(name: str, settings: Settings) -> str:
    """`did you mean ...`, for a name that is no alias."""
    from mlsh.box import inventory

    known = inventory.names(settings)
    near = inventory.closest(name, known) if name not in known else None
    return f"did you mean the box {near}?" if near else ""


def _driver_error(box: str, facts: Facts) -> MlshError | None:
    from mlsh.box.check_gpus import driver_and_processes
    from mlsh.errors import BoxUnfit

    for finding in driver_and_processes(box, facts):
        if finding.status == "fail":
            return BoxUnfit(box, "gpu-driver", finding.what, finding.mend)
    return None


def _address(resolved: Resolved | None) -> dict[str, Any]:
    return {
        "hostname": resolved.hostname if resolved else None,
        "user": resolved.user if resolved else None,
        "port": resolved.port if resolved else None,
        "proxy_jump": (resolved.proxy_jump or None) if resolved else None,
    }


# How it is shown


def _put(fields: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
    sys.stdout.flush()


def _plain(text: str) -> str:
    from mlsh.shell.visible import printable

    return printable(text)


def _complain(error: MlshError, guess: str = "") -> None:
    click.echo(f"mlsh: {_plain(error.what)}", err=True)
    for hint in filter(None, (guess, error.hint)):
        click.echo(f"      {_plain(hint)}", err=True)


def _table(titles: list[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    import shutil

    from mlsh.cli.talk import paint
    from mlsh.shell.table import columns

    cells = [[_plain(cell) for cell in row] for row in rows]
    if not cells:
        return
    limit = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else None
    head, *lines = columns([titles, *cells], limit, right)
    click.echo(paint(head, "dim"))
    for line in lines:
        click.echo(line)


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def _where(resolved: Resolved) -> str:
    port = "" if resolved.port == 22 else f":{resolved.port}"
    way = f" by way of {resolved.proxy_jump}" if resolved.proxy_jump else ""
    return f"{resolved.user}@{resolved.hostname}{port}{way}"


def _pair(key: str, value: str) -> None:
    from mlsh.cli.talk import paint

    if value:
        click.echo(f"{paint(f'{key:<12}', 'dim')} {_plain(value)}")


def _show_way(box: str, alias: Any, resolved: Resolved | None, settings: Settings) -> None:
    _pair("box", box)
    if resolved is not None:
        _pair("reaches", _where(resolved))
        _pair("keys", ", ".join(map(_short, resolved.identity_files)))
        _pair(
            "defined", f"{_short(alias.file)}:{alias.line}" if alias else "nowhere by this name; ssh takes it as it is"
        )
        _pair("sharing", "one connection for all commands" if settings.multiplex(box) else "off (multiplex = false)")
    _pair("mlsh home", settings.home(box) or "~/.mlsh")
    _pair("job shell", settings.shell(box))


def _show_facts(facts: Facts) -> None:
    from mlsh.box.check_disks import size
    from mlsh.box.gpus import gpus as gpus_of
    from mlsh.box.gpus import trouble

    _pair("drained", f"{facts.drained}: no job of yours begins there until mlsh drain --off" if facts.drained else "")
    _pair("node", facts.node)
    _pair("system", ", ".join(filter(None, (facts.os, facts.kernel))))
    _pair("user", f"{facts.user}, {facts.login_shell}")
    memory = f", {size((facts.memory_mib or 0) << 10)} memory" if facts.memory_mib else ""
    _pair("cpus", f"{facts.cpus}{memory}" if facts.cpus else "")
    # Where several folders are on one disk, it is shown as that of the home.
    disks = [facts.disks[name] for name in ("tmp", "mlsh", "home") if name in facts.disks]
    for disk in {disk.mount: disk for disk in disks}.values():
        kind = f"{disk.filesystem}, shared" if disk.is_shared else disk.filesystem
        _pair("disk", f"{disk.folder}: {size(disk.free_kib)} free of {size(disk.total_kib)} ({kind or 'unknown'})")
    for gpu in gpus_of(facts):
        total = f", {size(gpu.memory_total_mib << 10)}" if gpu.memory_total_mib else ""
        _pair("gpu", f"{gpu.index}: {gpu.name}{total}, driver {gpu.driver}")
    _pair("gpu", trouble(facts))
    for name, tool in facts.tools.items():
        _pair(name, tool.said)
    _pair("hangs", ", ".join(facts.hung))


def _gpu_rows(box: str, gpu: Gpu) -> list[list[str]]:
    def gib(mib: int | None) -> str:
        return "?" if mib is None else f"{mib / 1024:.1f}"

    busy = "" if gpu.utilization_percent is None else f"{gpu.utilization_percent}%"
    heat = "" if gpu.temperature_c is None else f"{gpu.temperature_c}C"
    name = gpu.name + (f" ({', '.join(gpu.slices)})" if gpu.slices else "")
    memory = f"{gib(gpu.memory_used_mib)}/{gib(gpu.memory_total_mib)} GiB"
    rows = [[box, str(gpu.index), busy, memory, heat, name]]
    for process in sorted(gpu.processes, key=lambda process: -(process.memory_mib or 0)):
        held = "" if process.memory_mib is None else f"{gib(process.memory_mib)} GiB"
        rows.append(["", "", "", held, "", f"  {process.pid} {process.user or '?'} {process.name}"])
    return rows
