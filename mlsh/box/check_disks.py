"""Judge a box's disks: room, files, quota, and whether mlsh's folder there can be used."""

from __future__ import annotations

from collections.abc import Iterator

from mlsh.box import LOCAL
from mlsh.box.facts import Disk, Facts, Quota
from mlsh.box.findings import Finding, Status, on

WARN_KIB = 2 << 20
FAIL_KIB = 100 << 10
INODES_WARN = 20_000
INODES_FAIL = 500
# tmux's socket and the files of a shell or two: a /tmp of 64 MiB in memory is healthy.
TMP_WARN_KIB = 16 << 10


def disks(box: str, facts: Facts) -> Iterator[Finding]:
    """All findings about disks."""
    yield from _hanging(box, facts)
    yield from _room(box, facts)
    yield _quota(facts)
    yield from _home(box, facts)


def _hanging(box: str, facts: Facts) -> Iterator[Finding]:
    killed = [name.removeprefix("df.") for name in facts.hung if name.startswith("df.")]
    if killed or "disks" in facts.hung:
        folders = {"home": facts.home, "mlsh": facts.mlsh_home, "tmp": "/tmp"}  # noqa: S108
        which = ", ".join(folders[name] for name in killed if name in folders) or "a folder there"
        what = f"{which} does not answer: a network disk hangs"
        yield Finding("disk", "fail", what, f"look: {on(box, 'dmesg | tail; cat /proc/mounts')}")


def _room(box: str, facts: Facts) -> Iterator[Finding]:
    seen: set[str] = set()
    for name in ("mlsh", "home", "tmp"):
        disk = facts.disks.get(name)
        if disk is not None and disk.mount not in seen:
            seen.add(disk.mount)
            yield _tmp(box, disk) if name == "tmp" else _disk(box, disk)


def _tmp(box: str, disk: Disk) -> Finding:
    """A disk that holds nothing of mlsh's but tmux's socket: `mlsh prune` gives nothing back there."""
    mend = f"see what takes it: {on(box, f'du -xad1 {disk.mount} | sort -n | tail')}"
    if disk.inodes_free is not None and disk.inodes_free < INODES_FAIL:
        few = f"{disk.folder}: room for only {disk.inodes_free} more files ({disk.mount})"
        return Finding("disk", "warn", few, mend)
    status: Status = "warn" if disk.free_kib < TMP_WARN_KIB else "ok"
    return Finding("disk", status, _free(disk), "" if status == "ok" else mend)


def _free(disk: Disk) -> str:
    return f"{disk.folder} has {size(disk.free_kib)} free of {size(disk.total_kib)} ({disk.mount})"


def _disk(box: str, disk: Disk) -> Finding:
    what = _free(disk)
    prune = "mlsh prune" if box == LOCAL else f"mlsh prune --on {box}"
    mend = f"make room: {prune}; see what takes it: {on(box, f'du -xhd1 {disk.mount} | sort -h | tail')}"
    # A small disk is not a full one: a tmpfs of 64 MiB does for /tmp.
    if disk.free_kib < min(FAIL_KIB, disk.total_kib // 20):
        return Finding("disk", "fail", what, mend)
    if disk.inodes_free is not None and disk.inodes_free < INODES_WARN:
        few = f"{disk.folder}: room for only {disk.inodes_free} more files ({disk.mount})"
        mend = mend.replace("du -xhd1", "du -xd1 --inodes")
        return Finding("disk", "fail" if disk.inodes_free < INODES_FAIL else "warn", few, mend)
    if disk.free_kib < min(WARN_KIB, disk.total_kib // 10):
        return Finding("disk", "warn", what, mend)
    return Finding("disk", "ok", what)


def size(kib: int) -> str:
    """KiB in a person's words."""
    value = float(kib)
    for unit in ("KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _quota(facts: Facts) -> Finding:
    if "quota" in facts.hung:
        return Finding("quota", "warn", "the quota server does not answer", "ask whoever runs it")
    if not facts.quotas:
        return Finding("quota", "skip", "none is told")
    worst = max(facts.quotas, key=_fullness)
    full = _fullness(worst)
    what = f"{size(worst.used_kib)} of {size(worst.hard_kib or worst.soft_kib)} used on {worst.disk}"
    if (worst.files_hard or worst.files_soft) and _share(worst.files, worst.files_hard, worst.files_soft) == full:
        what = f"{worst.files} of {worst.files_hard or worst.files_soft} files used on {worst.disk}"
    grace = worst.grace or worst.files_grace
    mend = "remove what you don't need: du -xhd1 ~ | sort -h | tail; mlsh prune"
    if full >= 1 or grace == "none":
        return Finding("quota", "fail", f"{what}: nothing more can be written", mend)
    if grace:
        return Finding("quota", "warn", f"{what}, over the soft limit; in {grace} nothing more can be written", mend)
    if full >= 0.95:
        return Finding("quota", "warn", what, mend)
    return Finding("quota", "ok", what)


def _fullness(quota: Quota) -> float:
    return max(
        _share(quota.used_kib, quota.hard_kib, quota.soft_kib), _share(quota.files, quota.files_hard, quota.files_soft)
    )


def _share(used: int, hard: int, soft: int) -> float:
    limit = hard or soft
    # Over a soft limit alone nothing fails until its grace ends.
    return (used / limit if hard else min(used / limit, 0.99)) if limit else 0.0


def _home(box: str, facts: Facts) -> Iterator[Finding]:
    disk = facts.disks.get("mlsh")
    elsewhere = f'choose another folder in config.toml: [boxes.{box}] home = "/scratch/{facts.user or "you"}/.mlsh"'
    if not facts.home_exists:
        yield Finding("home", "fail", f"{facts.home} does not exist", "ask whoever runs it to make it, or " + elsewhere)
    elif disk is not None and disk.is_read_only:
        yield Finding("home", "fail", f"{facts.mlsh_home} is on a read-only file system ({disk.mount})", elsewhere)
    elif not facts.mlsh_writable:
        yield Finding("home", "fail", f"you may not write to {facts.mlsh_home}", elsewhere)
    elif disk is not None:
        yield Finding("home", "ok", f"{facts.mlsh_home} can be written to")
    if disk is None:
        yield Finding("shared-home", "skip", "its file system does not tell")
    elif disk.is_shared:
        what = f"{facts.mlsh_home} is on {disk.filesystem}: other nodes see the same jobs, each with its node"
        yield Finding("shared-home", "ok", what)
    else:
        kind = disk.filesystem or "unknown"
        yield Finding("shared-home", "ok", f"no: {facts.mlsh_home} is on a disk of its own ({kind})")
