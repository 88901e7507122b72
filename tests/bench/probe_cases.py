"""What a probe of a bisection costs beside the checkout and the command, and what more workers save."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tests.bench.measure import Row, row

if TYPE_CHECKING:
    from tests.bench.cases import Bench

# In the installed mlsh, as the loop of a bisection has it: one process, probe after probe.
_PROBER = """
import json, subprocess, sys, time
from pathlib import Path
from mlsh.bisect.probing import Probe
from mlsh.bisect.workers import Finished, WorkerPlan, Workers
from mlsh.jobs.launch import Values
from mlsh.records import Spec

top, rounds = Path(sys.argv[1]), int(sys.argv[2])
git = lambda *words: subprocess.run(["git", *words], cwd=top, check=True, capture_output=True, text=True).stdout
commits = git("rev-list", "HEAD").split()
git("worktree", "add", "-q", "--detach", "../plain", "HEAD")
spec = Spec(id="", argv=[], box="local", created=0, shell="none")
workers = Workers("bench", top / ".git", commits)
workers.start([WorkerPlan("bench", "local", 1, ["true"], top / ".git", top, spec, Values({}, {}, {}))])
ours, plain = [], []
try:
    for number in range(1, rounds + 1):
        commit = commits[number % len(commits)]
        began = time.perf_counter()
        workers.ask("local", Probe(number, commit))
        while not isinstance(workers.next_event(60), Finished):
            pass
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        subprocess.run(["git", "checkout", "-q", "--detach", commit], cwd=top.parent / "plain", check=True)
        subprocess.run(["true"], check=True)
        plain.append(time.perf_counter() - began)
finally:
    workers.close()
print(json.dumps([ours[2:], plain[2:]]))
"""


def probe(bench: Bench) -> list[Row]:
    """A warm probe of `true` in a repository of 360 files, eight commits, a worker on this machine."""
    same = {
        f"src{folder}/file{number}.py": "x = 1\n" * (folder * number) for folder in range(30) for number in range(11)
    }
    project = bench.laptop.project({**same, **{f"src{folder}/changing.py": "" for folder in range(30)}}, name="probe")
    for version in range(7):
        for folder in range(30):
            (project / f"src{folder}/changing.py").write_text(f"version = {version}\n")
        bench.laptop.command("git", "commit", "-qam", f"version {version}", cwd=project)
    ran = bench.laptop.command(bench.python, "-c", _PROBER, str(project), str(bench.rounds * 5 + 2))
    ours, plain = json.loads(ran.stdout)
    return [row("a probe of `true` on `local`, 360 files", "`git checkout --detach` + `true`", ours, plain, 1.5)]


_COMMITS, _CULPRIT, _PROBE_S = 300, 123, 2


def workers(bench: Bench) -> list[Row]:
    """A search among 300 commits whose test takes two seconds: four workers on two boxes beside one on one."""
    laptop = bench.laptop
    project = laptop.project({"state": "good\n"}, name="searched")
    for number in range(_COMMITS):
        state = "bad" if number >= _CULPRIT else "good"
        (project / "state").write_text(f"{state}\n{number}\n")
        laptop.command("git", "commit", "-qam", f"change {number}", cwd=project)
    command = ["sh", "-c", f"sleep {_PROBE_S}; grep -q good state"]
    good = laptop.command("git", "rev-list", "--max-parents=0", "HEAD", cwd=project).stdout.strip()
    wanted = laptop.command("git", "rev-parse", f"HEAD~{_COMMITS - 1 - _CULPRIT}", cwd=project).stdout.strip()
    boxes = ["search1", "search2"]
    made = bench.bed.boxes(boxes)
    for box in made:
        laptop.add(box)
    one: list[float] = []
    four: list[float] = []
    for _ in range(max(1, bench.rounds // 3)):
        for where, into in ((["--on", boxes[0]], one), (["--on", boxes[0], "--on", boxes[1], "-j", "4"], four)):
            began = time.perf_counter()
            words = [bench.mlsh, "bisect", "run", "--json", *where, "--good", good, "--", *command]
            ran = laptop.command(*words, cwd=project, timeout=300)
            into.append(time.perf_counter() - began)
            assert json.loads(ran.stdout.splitlines()[-1])["commits"] == [wanted]
    for box in made:
        bench.bed.rm(box)
    return [row("bisect of 300 commits, a test of 2 s: 2 boxes of 2 workers", "one worker", four, one, 0.45)]
