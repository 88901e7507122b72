"""`mlsh box gpus`: GPUs, and who computes on them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlsh.cli.box_words import HELP, complain, guess, open_all, put, table
from mlsh.cli.options import common, complete_box, json_option

if TYPE_CHECKING:
    from mlsh.box.facts import Facts
    from mlsh.box.gpus import Gpu
    from mlsh.errors import MlshError

# A box may take its time to connect, and then to tell its facts.
_LIMIT_S = 60.0


@click.command(context_settings=HELP, short_help="GPUs, and who computes on them.")
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

    settings, opened = open_all(boxes)
    code = ExitCode.OK
    for box, answer in side_by_side(opened, lambda box: survey.look(box, "gpus").facts, _LIMIT_S):
        error = answer if isinstance(answer, MlshError) else _driver_error(box.name, answer)
        found = [] if isinstance(answer, MlshError) else cards.gpus(answer)
        if error is not None:
            code = error.exit_code
            complain(error, "" if isinstance(error, BoxUnfit) else guess(box.name, settings))
        if as_json:
            import msgspec

            put({"box": box.name, "error": error.what if error else None, "gpus": msgspec.to_builtins(found)})
            continue
        if error is None and not found:
            click.echo(f"mlsh: {box.name}: no GPU", err=True)
        rows = [row for gpu in found for row in _gpu_rows(box.name, gpu)]
        table(["BOX", "GPU", "BUSY", "MEMORY", "TEMP", "NAME"], rows, right=frozenset({1, 2, 3, 4}))
        sys.stdout.flush()
    if code:
        raise SystemExit(int(code))


def _driver_error(box: str, facts: Facts) -> MlshError | None:
    from mlsh.box.check_gpus import driver_and_processes
    from mlsh.errors import BoxUnfit

    for finding in driver_and_processes(box, facts):
        if finding.status == "fail":
            return BoxUnfit(box, "gpu-driver", finding.what, finding.mend)
    return None


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
