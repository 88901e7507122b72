"""The cases of the queue: against task-spooler and gflow, which do the same on one machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import Box, wait_for
from tests.bench.measure import Row, row
from tests.queue import fake_gpus

if TYPE_CHECKING:
    from tests.bench.cases import Bench

GFLOW = "runqd==0.4.18"
"""gflow's name on PyPI; installed beside the environment of mlsh (`install` in __main__.py)."""
# Notes when it begins and when it ends, in ns.
_NOTE = "date +%s%N >>{0}.began; date +%s%N >>{0}.ended"


class Spooler:
    """task-spooler (`tsp`), with a server of its own."""

    def __init__(self, bench: Bench, at_once: int) -> None:
        self._bench = bench
        self._env = {**bench.env, "TS_SOCKET": str(bench.laptop.directory / "tsp"), "TS_MAXFINISHED": "2000"}
        self.run("-S", str(at_once))

    def run(self, *words: str) -> str:
        done = subprocess.run(["tsp", *words], env=self._env, check=True, capture_output=True, text=True)
        return done.stdout

    def drain(self) -> None:
        while any(word in self.run() for word in (" queued ", " running ")):
            self.run("-w")

    def stop(self) -> None:
        self.run("-K")


class Gflow:
    """gflow, with a daemon of its own; it types its jobs into the shells of tmux sessions."""

    def __init__(self, bench: Bench) -> None:
        self._bin = Path(bench.python).parents[2] / "peers/bin"
        home = bench.laptop.directory / "gflow"
        (home / "tmux").mkdir(parents=True)
        for name in (".bashrc", ".profile"):
            (home / name).write_text(f"export PATH={self._bin}:$PATH\n")
        path = f"{self._bin}:{bench.env['PATH']}"
        self._env = {**bench.env, "HOME": str(home), "PATH": path, "TMUX_TMPDIR": str(home / "tmux")}
        for name in [name for name in self._env if name.startswith("XDG_")]:
            del self._env[name]
        self.run("gflowd", "up")

    def run(self, *argv: str) -> str:
        return subprocess.run(argv, env=self._env, check=True, capture_output=True, text=True, timeout=60).stdout

    def drain(self) -> None:
        wait_for(lambda: '"id"' not in self.run("gqueue", "-o", "json"), 600, "the end of gflow's jobs")

    def stop(self) -> None:
        subprocess.run(["tmux", "kill-server"], env=self._env, check=False)


def drain(bench: Bench) -> list[Row]:
    """Submit jobs that do nothing, and wait until all have run, two at a time."""

    def ours(count: int) -> float:
        began = time.perf_counter()
        array = f"0-{count - 1}%2"
        run = [bench.mlsh, "run", "-d", "--no-code", "--array", array, "--", "true"]
        job = bench.laptop.command(*run).stdout.strip()
        bench.laptop.command(bench.mlsh, "wait", job, timeout=600)
        return time.perf_counter() - began

    spooler = Spooler(bench, 2)

    def tsp(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            spooler.run("-n", "true")
        spooler.drain()
        return time.perf_counter() - began

    gflow = Gflow(bench)

    def other(count: int) -> float:
        began = time.perf_counter()
        gflow.run("gbatch", "--array", f"1-{count}", "--max-concurrent", "2", "--auto-close", "true")
        gflow.drain()
        return time.perf_counter() - began

    ours(2)
    rows = [
        row("submit and drain 200 no-op jobs on `local`", "task-spooler", [ours(200)], [tsp(200)], 1),
        # It takes a second or more a job.
        row("submit and drain 20 no-op jobs on `local`", "gflow", [ours(20)], [other(20)], 1),
    ]
    spooler.stop()
    gflow.stop()
    return rows


def freed(bench: Bench) -> list[Row]:
    """From the end of a job to the first line of the one that waited for its place."""
    count = bench.rounds * 2
    folder = bench.laptop.directory
    box = bench.bed.box("freed")
    bench.laptop.add(box)
    fake_gpus.fit(box, 1)
    wait = "until [ -e ~/go ]; do sleep 0.1; done;"
    for number in range(count):
        script = (wait if number == 0 else "") + _NOTE.format("~/gap")
        run = [bench.mlsh, "run", "-d", "--no-code", "--on", "freed", "--gpus", "1", "--", "sh", "-c", script]
        bench.laptop.command(*run)
    box.write("~/go", "")
    wait_for(lambda: _count(box.path("~/gap.ended")) == count, 120, "all jobs on the box")
    mine = _gaps(box.path("~/gap"))
    bench.bed.rm(box)

    spooler = Spooler(bench, 1)
    for number in range(count):
        spooler.run("-n", "sh", "-c", ("sleep 1;" if number == 0 else "") + _NOTE.format(folder / "tsp-gap"))
    spooler.drain()
    spooler.stop()
    theirs = _gaps(folder / "tsp-gap")

    gflow = Gflow(bench)
    script = folder / "note.sh"
    script.write_text("#!/bin/bash\n" + _NOTE.format(folder / "gflow-gap") + "\n")
    script.chmod(0o755)
    gflow.run("gbatch", "--array", "1-6", "--max-concurrent", "1", "--auto-close", str(script))
    wait_for(lambda: _count(folder / "gflow-gap.ended") == 6, 120, "gflow's jobs")
    others = _gaps(folder / "gflow-gap")
    gflow.stop()
    what = "a job's end to the first line of the next that waits for its GPU"
    return [
        row(what, "task-spooler (one slot)", mine, theirs, 1),
        row(what, "gflow (one at a time)", mine[: len(others)], others, 1),
    ]


def _count(path: Path) -> int:
    return len(path.read_text().split()) if path.exists() else 0


def _gaps(path: Path) -> list[float]:
    """Seconds between the end of each job and the beginning of the next."""
    began = [int(text) for text in path.with_suffix(".began").read_text().split()]
    ended = [int(text) for text in path.with_suffix(".ended").read_text().split()]
    return [(later - earlier) / 1e9 for earlier, later in zip(ended, began[1:], strict=False)]


def waiting(bench: Bench, count: int = 1000) -> list[Row]:
    """What jobs cost that wait in line, all of them on one box.

    They are launched by the script and with the files that `mlsh run` sends, on the box itself: a thousand ssh clients
    and login shells are no part of what waiting costs.
    """
    box = bench.bed.box("waiting", size_mib=1024)
    bench.laptop.add(box)
    fake_gpus.fit(box, 1)
    busy = [bench.mlsh, "run", "-d", "--no-code", "--on", "waiting", "--gpus", "1", "--", "sleep", "86400"]
    bench.laptop.command(*busy)
    empty = _memory_kib(box)
    _launch_there(box, count)
    line = box.path("~/.mlsh/line/waiting/gpu")
    wait_for(lambda: sum(1 for _ in line.glob("[0-9]*")) >= count, 60, "all to stand in line")
    # Until the last one has come to rest.
    wait_for(lambda: _cpu_s(box, 2) < 0.2, 120, "rest")
    shares = [_cpu_s(box, 10) * 10 for _ in range(3)]
    memory = (_memory_kib(box) - empty) / 1024 / count
    states = box.sh("cat ~/.mlsh/jobs/*/state.json").stdout
    if (waits := states.count('"phase":"queue"')) != count:
        raise RuntimeError(f"{waits} of {count} jobs wait in line")
    bench.bed.rm(box)
    share = statistics.median(shares)
    what = f"{count} jobs that wait in line: "
    return [
        Row(
            what + "CPU of all together",
            "one core",
            f"{share:.2f} %",
            "100 %",
            share,
            min(shares),
            max(shares),
            "< 1 %",
            share < 1,
        ),
        Row(what + "memory of each", "", f"{memory:.2f} MiB", "", memory, memory, memory, "< 2 MiB", memory < 2),
    ]


def _launch_there(box: Box, count: int) -> None:
    """Launch so many jobs that want the one GPU, eight at a time."""
    import msgspec

    from mlsh.jobs.launch import Values, job_files
    from mlsh.jobs.onbox import pack_files
    from tests.jobs.in_process import spec_of

    folder = box.path("~/launches")
    box.sh("mkdir launches")
    for _ in range(count):
        spec = msgspec.structs.replace(spec_of(box.name, "true"), gpus=1)
        (folder / spec.id).write_bytes(pack_files(job_files(spec, Values({}, {}, {}))))
    launch = "sh ~/.mlsh/lib/*/launch.sh $1 tmux 120 40 - - - 0 <$1 | grep -q ^launched"
    box.sh(f"cd launches && ls | xargs -n 1 -P 8 sh -c '{launch}' sh && rm -r ../launches", timeout=900)


def _ticks(box: Box) -> int:
    """CPU of all processes of the box in ticks, with what those had that ended."""
    script = "cat /proc/[0-9]*/stat 2>/dev/null; true"
    total = 0
    for line in box.sh(script, user="root").stdout.splitlines():
        fields = line.rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total


def _cpu_s(box: Box, seconds: float) -> float:
    """CPU seconds that the box used within so many seconds, without our own look."""
    began, first = time.monotonic(), _ticks(box)
    wait_for(lambda: time.monotonic() - began >= seconds, seconds + 5, "the time to pass")
    return (_ticks(box) - first) / os.sysconf("SC_CLK_TCK")


def _memory_kib(box: Box) -> int:
    """Memory of all processes of the box: what several share is counted once (PSS)."""
    told = box.sh("cat /proc/[0-9]*/smaps_rollup 2>/dev/null; true", user="root").stdout
    return sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
