"""What `mlsh top` says of a box: pure, from its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mlsh.box.check_disks import size
from mlsh.box.gpus import Gpu
from mlsh.cli.ps_watch import note_of
from mlsh.cli.talk import paint
from mlsh.jobs.picture import REFUSED, WATCHED, Picture
from mlsh.records import Job, JobState
from mlsh.shell.table import clip, pad, width
from mlsh.shell.visible import printable

_BAR = 10
_PARTS = " ▏▎▍▌▋▊▉█"


class User(msgspec.Struct, frozen=True):
    """Who has a GPU: a job (`job` is its id), by a process or before it has one; or somebody else's process."""

    job: str = ""
    pid: int | None = None
    user: str = ""
    memory_mib: int | None = None
    name: str = ""


def users(picture: Picture, gpu: Gpu) -> list[User]:
    """Who has this GPU: jobs first, each once."""
    on_it = picture.gpus.jobs if picture.gpus is not None else {}
    found = [
        User(on_it.get(one.pid, ""), one.pid, one.user, one.memory_mib, one.name)
        for one in sorted(gpu.processes, key=lambda one: -(one.memory_mib or 0))
    ]
    seen = {one.job for one in found}
    # What a job holds is its, whether or not it computes just now.
    for job in picture.jobs.values():
        holds = job.state.state is JobState.RUNNING and str(gpu.index) in job.state.gpus.split()
        if holds and job.id not in seen and job.state.node == picture.node:
            found.append(User(job.id))
    return sorted(found, key=lambda one: not one.job)


def lines_of(picture: Picture, at: float, columns: int, rich: bool) -> list[str]:
    """A box in lines of at most so many cells; `rich`: not in ASCII alone."""
    lines = [_head(picture, columns)]
    if (note := note_of(picture, at)) is not None:
        text = note.removeprefix(f"{picture.box}: ")
        lines[0] = paint(picture.box, "bold") + paint(clip(f"  {printable(text)}", columns - len(picture.box)), "red")
    if picture.connection == REFUSED or picture.gpus is None:
        return lines
    if picture.gpus.trouble:
        lines.append(paint(clip(f"  {printable(picture.gpus.trouble)}", columns), "red"))
    lines += [_gpu_line(picture, gpu, columns, rich) for gpu in picture.gpus.gpus]
    computing = {one.job.partition("-")[0] for gpu in picture.gpus.gpus for one in users(picture, gpu)}
    others = [job for job in picture.sorted_jobs(at) if job.state.state is JobState.RUNNING and job.id not in computing]
    if others:
        what = "also running" if computing - {""} else "running"
        lines.append(clip(f"  {what}: {', '.join(_label(job) for job in others)}", columns))
    for need, what in (("gpu", "GPUs"), ("cpu", "slots")):
        if waiting := picture.line.get(need):
            names = ", ".join(f"{place} {_name(picture, id_)}" for place, id_ in enumerate(waiting, 1))
            lines.append(clip(f"  in line for {what}: {names}", columns))
    return lines


def _head(picture: Picture, columns: int) -> str:
    parts = []
    if (host := picture.host) is not None:
        if host.load is not None:
            parts.append(f"load {host.load:.1f}" + (f" of {host.cpus}" if host.cpus else ""))
        if host.memory_kib and host.available_kib is not None:
            parts.append(f"memory {size(host.memory_kib - host.available_kib)} of {size(host.memory_kib)}")
        if host.free_kib is not None:
            parts.append(f"disk {size(host.free_kib)} free")
    running = sum(job.state.state is JobState.RUNNING for job in picture.jobs.values())
    waiting = sum(job.state.state is JobState.PENDING for job in picture.jobs.values())
    parts.append(f"{running} running" + (f", {waiting} waiting" if waiting else ""))
    name = clip(picture.box, max(8, columns // 3))
    return paint(name, "bold") + clip("  " + "   ".join(parts), columns - width(name))


def _gpu_line(picture: Picture, gpu: Gpu, columns: int, rich: bool) -> str:
    used, total = gpu.memory_used_mib, gpu.memory_total_mib
    busy = gpu.utilization_percent
    memory = f"{_gib(used)}/{_gib(total)} GiB"
    percent = "?" if busy is None else f"{busy}%"
    heat = "" if gpu.temperature_c is None else f"{gpu.temperature_c}C"
    index, of_memory = f"  {gpu.index:>2} ", used / total if used is not None and total else None
    lead = (
        f"{index}{bar(None if busy is None else busy / 100, rich)}{percent:>5} "
        f"{bar(of_memory, rich)} {memory:>13}{heat:>5}  "
    )
    found = users(picture, gpu)
    room = columns - width(lead)
    if room < 4:
        return clip(lead.rstrip(), columns)
    who = clip(", ".join(_who(picture, one) for one in found) or "free", room)
    return lead + (who if found else paint(who, "dim"))


def bar(share: float | None, rich: bool) -> str:
    """A bar of ten cells between two marks; empty where the share is not known."""
    share = min(1.0, max(0.0, share or 0.0))
    if not rich:
        return "[" + pad("#" * round(share * _BAR), _BAR) + "]"
    eighths = round(share * _BAR * 8)
    return "▕" + pad(("█" * (eighths // 8) + _PARTS[eighths % 8]).rstrip(), _BAR) + "▏"


def _gib(mib: int | None) -> str:
    return "?" if mib is None else f"{mib / 1024:.1f}"


def _who(picture: Picture, user: User) -> str:
    if user.job:
        return _name(picture, user.job)
    name = user.name.rsplit("/", 1)[-1]
    return printable(f"{user.user or '?'} {user.pid} {name}".rstrip())


def _name(picture: Picture, id_: str) -> str:
    """A job, or a task of an array, by its name and id."""
    job = picture.jobs.get(id_.partition("-")[0])
    return printable(id_) if job is None or not job.spec.name else f"{printable(job.spec.name)} ({printable(id_)})"


def _label(job: Job) -> str:
    return f"{printable(job.spec.name)} ({job.id})" if job.spec.name else printable(job.id)


def fit(blocks: Sequence[list[str]], columns: int, room: int) -> list[str]:
    """As many boxes as fit into so many lines, and how many are hidden. One that is too long alone is cut."""
    shown: list[str] = []
    for number, block in enumerate(blocks):
        left = len(blocks) - number
        # The last line is for the ones that don't fit, unless this is the last one.
        free = room - len(shown) - (1 if left > 1 else 0)
        if len(block) <= free:
            shown += block
            continue
        if number == 0:
            shown = block[: max(1, room - 2)]
            shown.append(clip(f"  {len(block) - len(shown)} more lines of it are hidden", columns))
            left -= 1
        if left:
            what = "1 more box is" if left == 1 else f"{left} more boxes are"
            shown.append(clip(f"{what} hidden: a larger window, or only some: --on BOX", columns))
        break
    return shown[:room] or [""]


def as_fields(picture: Picture) -> dict[str, Any]:
    """A box as one JSON object; documented in docs/reference/json.md, and stable."""
    host, gpus = picture.host, picture.gpus
    found = []
    for gpu in gpus.gpus if gpus is not None else ():
        fields = msgspec.to_builtins(gpu)
        del fields["processes"]
        has = [msgspec.to_builtins(one) | {"job": one.job or None} for one in users(picture, gpu)]
        found.append(fields | {"users": has})
    states = [job.state.state for job in picture.jobs.values()]
    return {
        "box": picture.box,
        "connection": picture.connection,
        "error": None if picture.connection == WATCHED else picture.reason or "no answer",
        "node": picture.node or None,
        "load": host.load if host else None,
        "cpus": host.cpus if host else None,
        "memory_mib": _mib(host.memory_kib if host else None),
        "memory_available_mib": _mib(host.available_kib if host else None),
        "disk_mib": _mib(host.disk_kib if host else None),
        "disk_free_mib": _mib(host.free_kib if host else None),
        "running": states.count(JobState.RUNNING),
        "waiting": states.count(JobState.PENDING),
        "line": {need: list(picture.line.get(need, ())) for need in ("gpu", "cpu")},
        "gpus": found,
        "gpu_error": (gpus.trouble or None) if gpus is not None else None,
    }


def _mib(kib: int | None) -> int | None:
    return None if kib is None else kib // 1024
