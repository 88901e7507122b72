"""The GPUs of a box and who computes on them, from the facts that nvidia-smi and rocm-smi told."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from mlsh.box.facts import Facts


class GpuProcess(msgspec.Struct, frozen=True):
    """A process on a GPU. `user` is "" where the box does not tell, `memory_mib` None where the driver doesn't."""

    pid: int
    user: str
    memory_mib: int | None
    name: str


class Gpu(msgspec.Struct, frozen=True):
    """A GPU. Memory is MiB, utilization percent of the last second or so; None where the driver does not tell.

    `slices` are the MIG devices that it is cut into, as `nvidia-smi -L` names them.
    """

    index: int
    uuid: str
    name: str
    memory_total_mib: int | None
    memory_used_mib: int | None
    utilization_percent: int | None
    temperature_c: int | None
    driver: str = ""
    slices: tuple[str, ...] = ()
    processes: tuple[GpuProcess, ...] = ()


def gpus(facts: Facts) -> list[Gpu]:
    """The GPUs of a box, NVIDIA's first, each by index. Never raises: what can't be understood is left out."""
    return [*_nvidia(facts), *_amd(facts)]


def trouble(facts: Facts) -> str:
    """What nvidia-smi or rocm-smi says is wrong with the driver or a card; "" if nothing is, or there is neither."""
    for asked in (facts.nvidia, facts.amd):
        if asked is not None and asked.exit_code:
            return " ".join(line.strip() for line in asked.lines if line.strip()) or f"exit code {asked.exit_code}"
        for line in asked.lines if asked is not None else ():
            if re.search(r"Unable to determine|GPU is lost|No devices were found|ERR!|Unknown Error\]", line):
                return line.strip()
    return ""


def _nvidia(facts: Facts) -> list[Gpu]:
    if facts.nvidia is None or facts.nvidia.exit_code != 0:
        return []
    processes = _processes(facts)
    slices = _slices(facts)
    found = []
    for line in facts.nvidia.lines:
        values = [value.strip() for value in line.split(",")]
        if len(values) != 8 or not values[0].isdecimal() or not values[1].startswith("GPU-"):
            continue
        _, uuid, name, total, used, busy, heat, driver = values
        found.append(
            Gpu(
                index=int(values[0][:9]),
                uuid=uuid,
                name=name,
                memory_total_mib=_number(total),
                memory_used_mib=_number(used),
                utilization_percent=_number(busy),
                temperature_c=_number(heat),
                driver=driver,
                slices=tuple(slices.get(uuid, {}).values()),
                processes=tuple(process for key in (uuid, *slices.get(uuid, {})) for process in processes.get(key, ())),
            )
        )
    return found


def _number(text: str) -> int | None:
    """A number of nvidia-smi or rocm-smi; None for `[N/A]`, `[Not Supported]`, `ERR!` and their like."""
    match = re.fullmatch(r"([0-9]{1,18})(?:\.[0-9]+)?", text.strip())
    return int(match[1]) if match else None


def _processes(facts: Facts) -> dict[str, list[GpuProcess]]:
    """Processes by the uuid of their GPU or MIG device."""
    found: dict[str, list[GpuProcess]] = {}
    for line in facts.nvidia_processes.lines if facts.nvidia_processes is not None else ():
        # The name may hold commas itself.
        values = [value.strip() for value in line.split(",", 3)]
        if len(values) == 4 and re.fullmatch(r"[0-9]{1,10}", values[1]):
            pid = int(values[1])
            process = GpuProcess(pid, facts.owners.get(pid, ""), _number(values[2]), values[3])
            found.setdefault(values[0], []).append(process)
    return found


def _slices(facts: Facts) -> dict[str, dict[str, str]]:
    """For each GPU's uuid its MIG devices: uuid and name, from `nvidia-smi -L`."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in facts.nvidia_list.lines if facts.nvidia_list is not None else ():
        if match := re.match(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)", line):
            current = found.setdefault(match[1], {})
        elif match := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line):
            current[match[2]] = match[1]
    return found


def _amd(facts: Facts) -> list[Gpu]:
    if facts.amd is None or facts.amd.exit_code != 0:
        return []
    # Warnings stand around the JSON, and a long line was cut into pieces.
    text = "".join(facts.amd.lines)
    try:
        table, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return []
    cards = table if isinstance(table, dict) else {}
    system = cards.get("system", {})
    driver = str(system.get("Driver version", "")) if isinstance(system, dict) else ""
    found = []
    for key, card in cards.items():
        match = re.fullmatch(r"card([0-9]{1,4})", key)
        if match and isinstance(card, dict):
            found.append(_amd_card(int(match[1]), card, driver))
    return sorted(found, key=lambda gpu: gpu.index)


def _amd_card(index: int, card: dict[str, Any], driver: str) -> Gpu:
    # The same field is "Card series" in ROCm 5 and "Card Series" in 6.
    folded = {key.casefold(): str(value) for key, value in card.items()}

    def first(*keys: str) -> str:
        return next((folded[key] for key in keys if folded.get(key, "N/A") != "N/A"), "")

    def mib(key: str) -> int | None:
        value = _number(first(key))
        return None if value is None else value >> 20

    return Gpu(
        index=index,
        uuid=first("unique id"),
        name=first("card series", "card model", "device name"),
        memory_total_mib=mib("vram total memory (b)"),
        memory_used_mib=mib("vram total used memory (b)"),
        utilization_percent=_number(first("gpu use (%)")),
        temperature_c=_number(
            first(*(f"temperature (sensor {sensor}) (c)" for sensor in ("junction", "edge", "hbm 0")))
        ),
        driver=driver,
    )
