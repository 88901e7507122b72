"""What a box is and has, as `facts.sh` tells it: parsed here, judged in `doctor`, shown by the front ends."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import msgspec

GROUPS = ("machine", "disks", "logins", "gpus")
# A file system that other nodes have too, as /proc/self/mounts names it.
_SHARED = re.compile(
    r"(nfs\d?|lustre|gpfs|ceph|fuse\.ceph|fuse\.ceph-fuse|beegfs\w*|fhgfs|afs|cifs|smb3|glusterfs|fuse\.glusterfs|"
    r"panfs|wekafs|orangefs|pvfs2|9p|virtiofs|fuse\.sshfs|fuse\.juicefs|fuse\.quobyte\S*|quobyte)"
)
_KILLED = (124, 137, 143)


class Disk(msgspec.Struct, frozen=True):
    """The disk that a folder is on. Sizes are KiB, as `df` counts them; None where the box could not tell."""

    folder: str
    mount: str
    total_kib: int
    free_kib: int
    inodes_total: int | None = None
    inodes_free: int | None = None
    filesystem: str = ""
    is_read_only: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether other nodes have this disk too."""
        return _SHARED.fullmatch(self.filesystem) is not None


class Quota(msgspec.Struct, frozen=True):
    """A line of `quota -w`. A limit of 0 is none; `grace` is in quota's words, "" while under the soft limit."""

    disk: str
    used_kib: int
    soft_kib: int
    hard_kib: int
    grace: str = ""
    files: int = 0
    files_soft: int = 0
    files_hard: int = 0
    files_grace: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A command on the box: what it says its version is, and that number, () where there is none in it."""

    said: str
    version: tuple[int, ...] = ()
    is_broken: bool = False


class Asked(msgspec.Struct, frozen=True):
    """Another program's output, unparsed. `exit_code` is None where it never came back."""

    lines: tuple[str, ...] = ()
    exit_code: int | None = 0


class Facts(msgspec.Struct, frozen=True):
    """A box at one moment. Whatever could not be told is None, "" or empty; times are seconds.

    `drained` is why no job of this person begins there any more, or "".
    """

    node: str = ""
    kernel: str = ""
    os: str = ""
    os_family: tuple[str, ...] = ()
    user: str = ""
    login_shell: str = ""
    sh: str = ""
    boot_id: str = ""
    uptime_s: float | None = None
    cpus: int | None = None
    memory_mib: int | None = None
    memory_available_mib: int | None = None
    tools: dict[str, Tool] = {}
    home: str = ""
    home_exists: bool = True
    home_writable: bool = True
    mlsh_home: str = ""
    mlsh_writable: bool = True
    drained: str = ""
    disks: dict[str, Disk] = {}
    quotas: tuple[Quota, ...] = ()
    clock: float | None = None
    clock_step_s: float = 1.0
    login_s: float | None = None
    systemd: bool = False
    linger: bool = False
    kills_at_logout: bool | None = None
    nvidia: Asked | None = None
    nvidia_list: Asked | None = None
    nvidia_processes: Asked | None = None
    owners: dict[int, str] = {}
    amd: Asked | None = None
    cards: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()


def argv(mlsh_home: str, what: str = "all") -> list[str]:
    """The command that tells the facts of a box: `all`, only those of its `gpus`, or whether it is `drained`."""
    return ["sh", "-c", _script(), "mlsh", mlsh_home, what]


@functools.cache
def _script() -> str:
    text = Path(__file__).with_name("facts.sh").read_text()
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def parse(text: str) -> Facts:
    """Read what `facts.sh` printed, all of it or as far as it came. Never raises: a line of nonsense is left out."""
    said = _Said(text)
    home, mlsh_home = said.one("home"), said.one("mlsh")
    clock = re.match(r"\d{1,15}(\.\d+)?", said.one("clock"))
    release = _release(said.all("os"))
    folders = {"home": home, "mlsh": mlsh_home, "tmp": "/tmp"}  # noqa: S108
    disks = {name: disk for name, folder in folders.items() if (disk := _disk(said, name, folder))}
    return Facts(
        node=said.one("node"),
        kernel=said.one("kernel"),
        os=release.get("PRETTY_NAME") or said.one("os.release"),
        os_family=tuple(f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()),
        user=said.one("user"),
        login_shell=said.one("shell"),
        sh=said.one("sh"),
        boot_id=said.one("boot"),
        uptime_s=_float(said.one("uptime").partition(" ")[0]),
        cpus=_int(said.one("cpus")),
        memory_mib=_mib(said.all("memory"), "MemTotal"),
        memory_available_mib=_mib(said.all("memory"), "MemAvailable"),
        tools=_tools(said),
        home=home,
        home_exists=not said.one("home.missing"),
        home_writable=not said.one("home.readonly"),
        mlsh_home=mlsh_home,
        mlsh_writable=not said.one("mlsh.readonly"),
        drained=said.one("drained"),
        disks=disks,
        quotas=tuple(quota for line in said.all("quota") if (quota := _quota(line))),
        clock=float(clock[0]) if clock else None,
        clock_step_s=0.001 if clock and clock[1] else 1.0,
        login_s=_login_s(said.one("login").split()),
        systemd=bool(said.one("systemd")),
        linger=bool(said.one("linger")),
        kills_at_logout=_kills(said),
        nvidia=said.asked("nvidia.gpu"),
        nvidia_list=said.asked("nvidia.list"),
        nvidia_processes=said.asked("nvidia.app"),
        owners=_owners(said.all("owner")),
        amd=said.asked("amd"),
        cards=tuple(said.all("card")),
        hung=said.hung(),
    )


class _Said:
    """The lines of an answer by key."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, list[str]] = {}
        for line in text.split("\n"):
            key, _, value = line.partition(" ")
            self._lines.setdefault(key, []).append(value)

    def all(self, key: str) -> list[str]:
        return self._lines.get(key, [])

    def one(self, key: str) -> str:
        return self.all(key)[0].strip() if self.all(key) else ""

    def exit_code(self, key: str) -> int:
        return _int(self.one(f"{key}.exit")) or 0

    def asked(self, key: str) -> Asked | None:
        if not self.all(key) and not self.all(f"{key}.exit"):
            return None
        code = self.exit_code(key)
        return Asked(tuple(self.all(key)), None if code in _KILLED else code)

    def hung(self) -> tuple[str, ...]:
        """What was ended by its time limit, and the groups that never came through."""
        killed = [
            key.removesuffix(".exit")
            for key in self._lines
            if key.endswith(".exit") and self.exit_code(key.removesuffix(".exit")) in _KILLED
        ]
        asked = {"all": GROUPS, "gpus": ("gpus",)}.get(self.one("asked"), ())
        lost = [group for group in asked if group not in self.all("through")]
        return (*killed, *lost)


def _int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]+)?", text) else None


def _mib(lines: Iterable[str], name: str) -> int | None:
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == f"{name}:" and (kib := _int(words[1])) is not None:
            return kib // 1024
    return None


def _release(lines: Iterable[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        key, _, value = line.partition("=")
        try:
            found[key] = " ".join(shlex.split(value))
        except ValueError:
            found[key] = value
    return found


def _tools(said: _Said) -> dict[str, Tool]:
    found = {}
    for name in ("tmux", "git", "bash", "python3", "uv", "rsync", "flock"):
        key = f"tool.{name}"
        if said.all(key) or said.all(f"{key}.exit"):
            found[name] = Tool(said.one(key), version_of(said.one(key)), said.exit_code(key) != 0)
    return found


def version_of(text: str) -> tuple[int, ...]:
    """The first number with a dot in what a program says of its version: `tmux next-3.4a` is (3, 4)."""
    match = re.search(r"[0-9]{1,9}(\.[0-9]{1,9})+", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _disk(said: _Said, name: str, folder: str) -> Disk | None:
    row = _df_row(said.all(f"df.{name}"))
    if row is None or said.exit_code(f"df.{name}"):
        return None
    total, free, mount = row
    inodes = _df_row(said.all(f"inodes.{name}")) if not said.exit_code(f"inodes.{name}") else None
    filesystem, _, options = said.one(f"mount.{name}").partition(" ")
    return Disk(
        folder=folder,
        mount=mount,
        total_kib=total,
        free_kib=free,
        # Some file systems (btrfs, many network ones) have no fixed number of them, and say 0.
        inodes_total=inodes[0] if inodes and inodes[0] else None,
        inodes_free=inodes[1] if inodes and inodes[0] else None,
        filesystem=filesystem,
        is_read_only="ro" in options.split(","),
    )


def _df_row(lines: list[str]) -> tuple[int, int, str] | None:
    """Total, free and mount point from the last line of `df -P`: device, total, used, free, %, mount point."""
    pattern = r"\s(-?\d{1,18})\s+-?\d{1,18}\s+(-?\d{1,18})\s+(?:\d+%|-)\s+(/.*)$"
    match = re.search(pattern, lines[-1]) if lines else None
    return (int(match[1]), max(0, int(match[2])), match[3]) if match else None


def _quota(line: str) -> Quota | None:
    """A line of `quota -w`: disk, blocks, soft, hard, [grace], files, soft, hard, [grace]; `*` marks what is over."""
    match = re.fullmatch(
        r"\s*(\S+)\s+(\d+)\*?\s+(\d+)\s+(\d+)(?:\s+(\d*[a-z:]\S*))?\s+(\d+)\*?\s+(\d+)\s+(\d+)(?:\s+(\d*[a-z:]\S*))?\s*",
        line,
    )
    if not match or any(len(match[group]) > 18 for group in (2, 3, 4, 6, 7, 8)):
        return None
    return Quota(
        disk=match[1],
        used_kib=int(match[2]),
        soft_kib=int(match[3]),
        hard_kib=int(match[4]),
        grace=match[5] or "",
        files=int(match[6]),
        files_soft=int(match[7]),
        files_hard=int(match[8]),
        files_grace=match[9] or "",
    )


def _login_s(words: list[str]) -> float | None:
    """How long the login shell took: now less the start of its process, in ticks since the boot."""
    if len(words) != 3:
        return None
    started, rate, uptime = (_float(word) for word in words)
    if started is None or not rate or uptime is None:
        return None
    took = uptime - started / rate
    # A container may have an uptime of its own, which fits no process's start.
    return round(max(took, 0.0), 3) if -0.1 < took < 60 else None


def _kills(said: _Said) -> bool | None:
    """KillUserProcesses, as logind says, or else as its files say; None where nobody says."""
    if said.one("kill") in {"b true", "b false"}:
        return said.one("kill") == "b true"
    value = None
    for line in said.all("kill.conf"):
        word = line.partition("=")[2].strip().lower()
        if word in {"yes", "true", "1", "on", "no", "false", "0", "off"}:
            value = word in {"yes", "true", "1", "on"}
    return value


def _owners(lines: Iterable[str]) -> dict[int, str]:
    found = {}
    for line in lines:
        if match := re.fullmatch(r"/proc/(\d{1,10}) (\S+)", line):
            found[int(match[1])] = match[2]
    return found
