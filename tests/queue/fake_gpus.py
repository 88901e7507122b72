"""GPUs that a box says it has: a recorded nvidia-smi, whose cards and processes are files."""

from tests.bed import Box

FOLDER = "/srv/smi"
_NVIDIA_SMI = f"""
[ ! -e {FOLDER}/broken ] || {{ echo 'NVIDIA-SMI has failed'; exit 9; }}
case "$*" in
*--query-compute-apps*) cat {FOLDER}/apps ;;
*mig.mode*) cat {FOLDER}/cards ;;
*--query-gpu*) cut -d, -f 1-4 {FOLDER}/cards ;;
esac
"""


def uuid(index: int) -> str:
    return f"GPU-{index:08d}-0000-4000-8000-000000000000"


def fit(box: Box, count: int, *, mib: int = 81559, used: dict[int, int] | None = None) -> None:
    """Give a box so many GPUs; `used` is the MiB in use by index, as nvidia-smi shows them."""
    box.sh(f"mkdir -p {FOLDER} && chmod 777 {FOLDER}", user="root")
    lines = [f"{index}, {uuid(index)}, {mib}, {(used or {}).get(index, 4)}, [N/A]\n" for index in range(count)]
    box.write(f"{FOLDER}/cards", "".join(lines), 0o666)
    box.write(f"{FOLDER}/apps", "", 0o666)
    box.install("nvidia-smi", _NVIDIA_SMI)


def compute(box: Box, *indices: int, pid: int = 4711) -> None:
    """Have a stranger's process on these GPUs, and on no others."""
    box.write(f"{FOLDER}/apps", "".join(f"{uuid(index)}, {pid}\n" for index in indices), 0o666)


_ROCM_SMI = f"""
case "$*" in
*--csv*) cat {FOLDER}/amd ;;
esac
"""


def fit_amd(box: Box, count: int, *, used_mib: dict[int, int] | None = None, use: dict[int, int] | None = None) -> None:
    """Give a box AMD GPUs, as rocm-smi of ROCm 6 prints them as CSV; `use` is how busy each is, in percent."""
    box.sh(f"mkdir -p {FOLDER} && chmod 777 {FOLDER}", user="root")
    lines = ["device,Unique ID,GPU use (%),GFX Activity,VRAM Total Memory (B),VRAM Total Used Memory (B)\n"]
    for index in range(count):
        used = (used_mib or {}).get(index, 10) << 20
        busy = (use or {}).get(index, 0)
        lines.append(f"card{index},0x9e3a{index:012x},{busy},203885505,{68702699520},{used}\n")
    box.write(f"{FOLDER}/amd", "WARNING: AMD GPU device(s) is/are in a low-power state.\n\n" + "".join(lines), 0o666)
    box.install("rocm-smi", _ROCM_SMI)
