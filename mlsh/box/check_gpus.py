"""Judge a box's GPUs: the driver, and who computes there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlsh.box.facts import Facts
from mlsh.box.findings import Finding, on
from mlsh.box.gpus import Gpu, gpus, trouble

_DRIVER_MENDS = (
    (
        "version mismatch",
        "the driver was updated under the running kernel: restart the box, when nobody computes there",
    ),
    (
        "communicate with the NVIDIA driver",
        "sudo modprobe nvidia; after a kernel update, reinstall the driver; see: dmesg | grep -i nvidia",
    ),
    ("Insufficient Permissions", "ask for the group of /dev/nvidia*: ls -l /dev/nvidia*; id"),
    (
        "GPU is lost|Unable to determine|Unknown Error|ERR!",
        "perhaps the card fell off the bus: dmesg | grep -i xid; start the container anew, or restart the box",
    ),
    ("No devices were found", "the driver sees no card: lspci | grep -i nvidia; dmesg | grep -i nvidia"),
)


def driver_and_processes(box: str, facts: Facts) -> Iterator[Finding]:
    """The findings about the driver, and about who computes there."""
    wrong = trouble(facts)
    if any(name.startswith("nvidia.") for name in facts.hung) or ("gpus" in facts.hung and facts.nvidia is None):
        yield Finding(
            "gpu-driver",
            "fail",
            "nvidia-smi does not come back: the driver hangs",
            f"look: {on(box, 'dmesg | grep -i -e nvrm -e xid | tail')}; only a restart of the box mends it",
        )
        return
    if wrong:
        mend = next((mend for pattern, mend in _DRIVER_MENDS if re.search(pattern, wrong)), "nvidia-smi; dmesg | tail")
        yield Finding("gpu-driver", "fail", wrong, mend)
        return
    found = gpus(facts)
    if not found:
        yield _no_gpu(facts)
        return
    drivers = ", ".join(sorted({gpu.driver for gpu in found if gpu.driver})) or "unknown"
    models = [gpu.name for gpu in found]
    counted = ", ".join(f"{models.count(model)} {model}" for model in dict.fromkeys(models))
    yield Finding("gpu-driver", "ok", f"{counted}; driver {drivers}")
    yield _processes(box, facts, found)


def _no_gpu(facts: Facts) -> Finding:
    if "0x10de" in facts.cards:
        return Finding(
            "gpu-driver",
            "fail",
            "there is an NVIDIA card, and no nvidia-smi",
            "install the driver: sudo apt-get install nvidia-driver (Ubuntu: sudo ubuntu-drivers install)",
        )
    if "0x1002" in facts.cards and facts.amd is None:
        return Finding("gpu-driver", "warn", "there is an AMD card, and no rocm-smi", "sudo apt-get install rocm-smi")
    return Finding("gpu-driver", "skip", "no GPU")


def _processes(box: str, facts: Facts, found: list[Gpu]) -> Finding:
    strangers = sorted({process.user or "somebody" for gpu in found for process in gpu.processes} - {facts.user})
    # A driver without a process holds some 500 MiB at most; more than that is held by something unseen.
    unseen = [gpu.index for gpu in found if not gpu.processes and (gpu.memory_used_mib or 0) > 1024]
    busy = [gpu.index for gpu in found if gpu.processes]
    if unseen and facts.nvidia is not None:
        return Finding(
            "gpu-processes",
            "warn",
            f"GPU {_numbers(unseen)}: memory in use by no process that is to be seen (a container's, or a dead one's)",
            f"who holds it: {on(box, 'sudo fuser -v /dev/nvidia*')}",
        )
    if strangers:
        return Finding(
            "gpu-processes", "ok", f"GPU {_numbers(busy)} in use, by {', '.join(strangers)} too: mlsh box gpus {box}"
        )
    return Finding("gpu-processes", "ok", f"GPU {_numbers(busy)} in use by you" if busy else "all free")


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
