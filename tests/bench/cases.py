"""The cases: each makes what it needs on real boxes, measures, and returns rows."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.bed import Bed, Box, Laptop, wait_for
from tests.bench import bootstrap_cases, dotfiles_cases, history_cases, probe_cases, queue_cases, watch_cases
from tests.bench.measure import Row, once, pairs, row
from tests.bench.shell_cases import start as shell_start


class Bench:
    """An installed mlsh (compiled, without development packages), and a laptop that knows boxes."""

    def __init__(self, venv: Path, bed: Bed, laptop: Laptop, rounds: int) -> None:
        self.mlsh = str(venv / "bin/mlsh")
        self.python = str(venv / "bin/python")
        self.bed = bed
        self.laptop = laptop
        self.rounds = rounds
        self.env = laptop.env

    def wall(self, *argv: str, cwd: Path | None = None) -> float:
        """Wall-clock seconds of a command."""
        return once(argv, self.env, cwd or self.laptop.home).wall_s

    def cpu(self, *argv: str) -> float:
        """CPU seconds of a command and its children."""
        return once(argv, self.env, self.laptop.home).cpu_s

    def ssh(self, box: Box, *words: str) -> list[str]:
        """Plain ssh over a warm connection of its own."""
        socket = self.laptop.runtime_dir / f"plain-{box.name}"
        shared = ["ssh", "-F", str(self.laptop.ssh_config), "-S", str(socket), "-oControlMaster=auto"]
        return [*shared, "-oControlPersist=600", box.name, *words]

    def click(self) -> list[str]:
        """The floor of every command: Python, and click imported."""
        return [self.python, "-c", "import click"]


def startup(bench: Bench) -> list[Row]:
    """CPU of what answers without any box."""
    rows = []
    for words in (["--version"], ["--help"], ["ps", "--help"]):
        left, right = pairs(
            lambda words=words: bench.cpu(bench.mlsh, *words), lambda: bench.cpu(*bench.click()), bench.rounds * 2
        )
        rows.append(row(f"CPU of `mlsh {' '.join(words)}`", '`python -c "import click"`', left, right, 1.3))
    return rows


def launch(bench: Bench) -> list[Row]:
    """A detached launch with unchanged code, over a warm connection."""
    box = bench.bed.box("launch")
    bench.laptop.add(box)
    project = bench.laptop.project(name="launch")
    ours = lambda: bench.wall(bench.mlsh, "run", "-d", "--on", "launch", "--", "true", cwd=project)  # noqa: E731
    tmux = bench.ssh(box, "tmux -L plain new-session -d true")
    bench.wall(*tmux)
    ours()
    left, right = pairs(ours, lambda: bench.wall(*bench.click()) + bench.wall(*tmux), bench.rounds * 2)
    bench.bed.rm(box)
    against = "click import + warm `ssh BOX tmux new-session -d`"
    return [row("`mlsh run -d --on BOX -- true`, code unchanged", against, left, right, 1.5)]


def sweep(bench: Bench) -> list[Row]:
    """A detached launch of a sweep of 1,000 tasks, against that of one job."""
    box = bench.bed.box("sweep")
    bench.laptop.add(box)
    # Held: what the tasks do is not part of the launch.
    run = [bench.mlsh, "run", "-d", "--no-code", "--hold", "--on", "sweep"]
    axes = ["--sweep", "lr=1e-1,1e-2,1e-3,1e-4", "--sweep", "seed=1..250"]
    ours = lambda: bench.wall(*run, *axes, "--", "python", "train.py", "--lr", "{lr}", "--seed", "{seed}")  # noqa: E731
    ours()
    one = lambda: bench.wall(*run, "--", "python", "train.py", "--lr", "1e-1", "--seed", "1")  # noqa: E731
    left, right = pairs(ours, one, bench.rounds)
    bench.bed.rm(box)
    return [row("`mlsh run -d` of a sweep of 1,000 tasks", "`mlsh run -d` of one job", left, right, 3)]


def listing(bench: Bench) -> list[Row]:
    """`mlsh ps` over 8 boxes with 200 ended jobs each."""
    boxes = bench.bed.boxes([f"ps{number}" for number in range(8)])
    for box in boxes:
        bench.laptop.add(box)
    flags = [word for box in boxes for word in ("--on", box.name)]
    for box in boxes:
        _many_jobs(bench, box, 200)
        bench.wall(*bench.ssh(box, "true"))
    ours = lambda: bench.wall(bench.mlsh, "ps", "-a", *flags)  # noqa: E731
    ours()
    floor = lambda: bench.wall(*bench.click()) + max(bench.wall(*bench.ssh(box, "true")) for box in boxes)  # noqa: E731
    left, right = pairs(ours, floor, bench.rounds)
    for box in boxes:
        bench.bed.rm(box)
    return [row("`mlsh ps`, 8 boxes with 200 jobs each", "click import + slowest warm `ssh BOX true`", left, right, 2)]


def _many_jobs(bench: Bench, box: Box, count: int) -> None:
    bench.laptop.command(bench.mlsh, "run", "-d", "--no-code", "--on", box.name, "-n", "first", "--", "true")
    jobs = box.path("~/.mlsh/jobs")
    [first] = [path.name for path in jobs.iterdir()]
    wait_for(lambda: '"SUCCEEDED"' in (jobs / first / "state.json").read_text(), 20, "the first job's end")
    script = f"""cd .mlsh/jobs; n=1; while [ $n -lt {count} ]; do
        new=b$(printf %07d $n | tr 01 yz); cp -r {first} $new
        sed -i "s/{first}/$new/" $new/spec.json $new/state.json; n=$((n + 1)); done"""
    box.sh(script)


def logs(bench: Bench, size: int) -> list[Row]:
    """The rate at which a log of `size` bytes is read."""
    box = bench.bed.box("logs", size_mib=(size >> 20) + 64)
    bench.laptop.add(box)
    job = bench.laptop.command(bench.mlsh, "run", "-d", "--no-code", "--on", "logs", "--", "true").stdout.strip()
    log = box.path(f"~/.mlsh/jobs/{job}/log")
    wait_for((log.parent / "log.end").exists, 20, "the job's end")
    line = b"step=000001 loss=0.123456 lr=3e-4 tokens/s=12345\r\n"
    with open(log, "wb") as file:
        for _ in range(size >> 20):
            file.write((line * (1 + (1 << 20) // len(line)))[: 1 << 20])
    peaks = []

    def ours() -> float:
        ran = once([bench.mlsh, "logs", job], bench.env, bench.laptop.home)
        peaks.append(ran.peak_mib)
        return size / 2**20 / ran.wall_s

    plain = bench.ssh(box, f"cat .mlsh/jobs/{job}/log")
    left, right = pairs(ours, lambda: size / 2**20 / bench.wall(*plain), 3)
    bench.bed.rm(box)
    what = f"`mlsh logs` of {size >> 20} MiB (peak memory {max(peaks):.0f} MiB)"
    return [row(what, "`ssh BOX cat`", left, right, 0.8, at_least=True, unit="MiB/s")]


# Run on the box: what changes a file there must do so from there, or no inotify wakes up. The clock is the same
# for all boxes: they are namespaces of one kernel.
_WRITER = """import sys, time
for number in range(int(sys.argv[2])):
    with open(sys.argv[1], "ab", buffering=0) as log:
        log.write(b"<%d>\\n" % time.monotonic_ns())
    time.sleep(0.05)
"""


def follow(bench: Bench) -> list[Row]:
    """From a write on the box to the same bytes on the laptop."""
    box = bench.bed.box("follow")
    bench.laptop.add(box)
    # GNU tail uses inotify on file systems that it knows. It does not know a box's overlay, and polls once a second.
    settings = bench.laptop.home / ".config/mlsh/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[boxes.follow]\nhome = "/tmp/mlsh"\n')
    script = "while [ ! -e ~/stop ]; do sleep 0.1; done"
    run = [bench.mlsh, "run", "-d", "--no-code", "--on", "follow", "--", "sh", "-c", script]
    job = bench.laptop.command(*run).stdout.strip()
    log = f"/tmp/mlsh/jobs/{job}/log"
    box.sh(f"until [ -e /tmp/mlsh/jobs/{job}/log.open ]; do sleep 0.05; done")
    readers = [
        _start([bench.mlsh, "logs", "-f", job], bench),
        _start(bench.ssh(box, f"tail -c +1 -f {log}"), bench),
    ]
    count = bench.rounds * 10
    box.write("~/writer.py", _WRITER)
    writer = bench.laptop.spawn_ssh("follow", f"python3 writer.py {log} {count}")
    mine, theirs = _latencies(readers, count)
    writer.wait()
    box.write("~/stop", "")
    for process in readers:
        process.kill()
        process.wait()
    bench.bed.rm(box)
    return [row("`mlsh logs -f`: write to screen", "`ssh BOX tail -f`", mine[5:], theirs[5:], 1.5)]


def _start(argv: list[str], bench: Bench) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)


def _latencies(readers: list[subprocess.Popen[bytes]], count: int) -> list[list[float]]:
    """Seconds from each `<nanoseconds>` line's writing to its arrival, for each reader."""
    pipes = {reader.stdout.fileno(): number for number, reader in enumerate(readers) if reader.stdout}
    kept = dict.fromkeys(pipes, b"")
    took: list[list[float]] = [[] for _ in readers]
    while any(len(times) < count for times in took):
        ready, _, _ = select.select(list(pipes), [], [], 20)
        now = time.monotonic_ns()
        if not ready:
            raise RuntimeError("a line did not arrive within 20 s")
        for descriptor in ready:
            *lines, kept[descriptor] = (kept[descriptor] + os.read(descriptor, 65536)).split(b"\n")
            stamps = [int(line.strip(b"<>\r")) for line in lines if line.startswith(b"<")]
            took[pipes[descriptor]] += [(now - stamp) / 1e9 for stamp in stamps]
    return took


def changed_repo(bench: Bench, files: int) -> list[Row]:
    """The second launch after one changed line in a repository of many files, against rsync of the tree."""
    box = bench.bed.box("changed", size_mib=1024)
    bench.laptop.add(box)
    texts = {f"pkg{n % 100:02d}/module{n:05d}.py": f"# module {n}\n" + "x = 1\n" * 150 for n in range(files)}
    project = bench.laptop.project(texts, name="big")
    edits = iter(range(10**6))
    started = box.path("~/started")

    def edit() -> None:
        with open(project / "pkg00/module00000.py", "a") as file:
            file.write(f"# edit {next(edits)}\n")

    def ours() -> tuple[float, float]:
        # A person takes a second or two between launches; the box uses them to have a worktree ready.
        wait_for(box.path("~/.mlsh/trees/.spare-big").is_dir, 30, "the spare worktree")
        edit()
        started.unlink(missing_ok=True)
        before = time.time()
        took = bench.wall(
            bench.mlsh, "run", "-d", "--on", "changed", "--", "sh", "-c", "date +%s.%N >~/started.part; "
            "mv ~/started.part ~/started", cwd=project)  # fmt: skip
        wait_for(started.exists, 60, "the command's start")
        return took, float(started.read_text()) - before

    socket = " ".join(bench.ssh(box)[:-1])
    rsync = ["rsync", "-az", "--delete", "-e", socket, f"{project}/", f"{box.name}:rsynced/"]

    def theirs() -> float:
        edit()
        return bench.wall(*rsync)

    bench.wall(bench.mlsh, "run", "-d", "--on", "changed", "--", "true", cwd=project)
    ours(), theirs()
    returned, began, synced = [], [], []
    for _ in range(bench.rounds):
        one, two = ours()
        returned.append(one)
        began.append(two)
        synced.append(theirs())
    bench.bed.rm(box)
    what = f"second launch, one changed line in {files:,} files"
    return [
        row(f"{what}: returned", "`rsync -az` of the tree", returned, synced, 1),
        row(f"{what}: command started", "`rsync -az` of the tree", began, synced, 2),
    ]


def _made(bench: Bench, box: Box, script: str) -> str:
    """A job that ran a script in its folder; its id."""
    run = [bench.mlsh, "run", "-d", "--on", box.name, "--", "bash", "-c", script]
    job = bench.laptop.command(*run, cwd=bench.laptop.project(name=f"for-{box.name}")).stdout.strip()
    wait_for(lambda: '"SUCCEEDED"' in box.path(f"~/.mlsh/jobs/{job}/state.json").read_text(), 120, "the files")
    return job


def pull(bench: Bench, name: str, what: str, script: str, size_mib: int) -> list[Row]:
    """What a job made, to an empty folder here, against rsync of the same folder."""
    box = bench.bed.box(name, size_mib=size_mib)
    bench.laptop.add(box)
    job = _made(bench, box, script)
    target = bench.laptop.home / "pulled"
    socket = " ".join(bench.ssh(box)[:-1])
    rsync = ["rsync", "-az", "-e", socket, f"{box.name}:.mlsh/trees/{job}/made/", f"{target}/"]

    def timed(*argv: str) -> float:
        shutil.rmtree(target, ignore_errors=True)
        # What the removal and the last round left to be written is nobody's work here.
        os.sync()
        return bench.wall(*argv)

    bench.wall(*bench.ssh(box, "true"))
    ours = lambda: timed(bench.mlsh, "pull", job, "--to", str(target))  # noqa: E731
    left, right = pairs(ours, lambda: timed(*rsync), bench.rounds)
    bench.bed.rm(box)
    return [row(f"`mlsh pull` of {what}", "`rsync -az`", left, right, 1.1)]


_ONE_FILE = "mkdir made; head -c 1073741824 /dev/urandom >made/model.bin"
_MANY_FILES = """mkdir made; cd made
for folder in {00..99}; do
    mkdir $folder
    for file in {00..99}; do printf 'step %d loss 0.5\\n' {1..90} >$folder/$file.txt; done
done"""

CASES: dict[str, Callable[[Bench], list[Row]]] = {
    "startup": startup,
    "shell": shell_start,
    "launch": launch,
    "sweep": sweep,
    "ps": listing,
    "logs": lambda bench: logs(bench, 1 << 30),
    "follow": follow,
    "bootstrap": bootstrap_cases.nothing_to_do,
    "watch": watch_cases.watch,
    "pull": lambda bench: pull(bench, "pull", "1 GiB in one file", _ONE_FILE, 3000),
    "pull-many": lambda bench: pull(bench, "many", "10,000 small files", _MANY_FILES, 512),
    "probe": probe_cases.probe,
    "probe-boxes": probe_cases.workers,
    "drain": queue_cases.drain,
    "freed": queue_cases.freed,
    "waiting": queue_cases.waiting,
    "history": history_cases.history,
    "changed": lambda bench: changed_repo(bench, 10_000),
    "dotfiles": dotfiles_cases.dotfiles,
}
