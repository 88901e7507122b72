"""The worker's scripts under each `sh` that boxes have, and shellcheck over all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlsh.bisect
import mlsh.jobs
from mlsh.bisect.workers_said import Reader
from mlsh.jobs.ids import new_id
from tests.bed import wait_for
from tests.bed.requirements import not_possible_here

SCRIPTS = Path(mlsh.bisect.__file__).with_name("box")
LIBRARY = Path(mlsh.jobs.__file__).with_name("box")
# Side by side with itself: a worker finds its processes by this.
ID = new_id()


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck, "shellcheck comes with the development dependencies: uv sync"
    names = sorted(path.name for path in SCRIPTS.glob("*.sh"))
    argv = [shellcheck, "-s", "sh", "-x", "-P", str(LIBRARY), *names]
    done = subprocess.run(argv, cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_script_has_the_name_of_another() -> None:
    assert not {path.name for path in SCRIPTS.glob("*.sh")} & {path.name for path in LIBRARY.glob("*.sh")}


SCRIPT = """case $(cat code) in
0) echo fine; echo 'loss=0.5' >metrics ;;
1) echo bad; exit 1 ;;
2) kill -9 $$ ;;
3) sleep 30 ;;
4) setsid sleep 30 >/dev/null 2>&1 & env -i sleep 30 & exit 125 ;;
5) head -c 9000000 /dev/zero; echo the end ;;
esac
"""
WANTED = ["exited 0 -", "exited 1 -", "signal 137 9", "timeout 143 -", "exited 125 -", "exited 0 -"]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_workers_whole_life_under_every_sh(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell)
    if found is None:
        not_possible_here("This test", f"there is no {shell} here")
    home, tree, top = tmp_path / "home", tmp_path / "home/trees/x", tmp_path / "top"
    job = home / "jobs" / ID
    probes = job / "probes"
    for folder in (tmp_path / "bin", home / "lib/x", job, top):
        folder.mkdir(parents=True)
    (tmp_path / "bin/sh").symlink_to(str(found))
    for script in [*SCRIPTS.glob("*.sh"), *LIBRARY.glob("*.sh")]:
        shutil.copy(script, home / "lib/x")
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    name = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def git(*words: str) -> str:
        ran = subprocess.run(["git", *words], cwd=top, env=env | name, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    git("init", "-q")
    commits = []
    for number in range(len(WANTED)):
        (top / "code").write_text(str(number))
        git("add", "code")
        git("commit", "-qm", str(number))
        commits.append(git("rev-parse", "HEAD"))
    git("worktree", "add", "-q", "--detach", "--no-checkout", str(tree))

    words = [str(tree), "", "1", "", "metrics", "", "", "900", "--", "sh", "-c", SCRIPT]
    worker = subprocess.Popen(
        ["sh", str(home / "lib/x/worker.sh"), *words],
        env=env | {"MLSH_JOB_ID": ID, "MLSH_JOB_DIR": str(job)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for((probes / "own").exists, 10, "the worker")
        (probes / "session").write_text("s\n")
        asks = os.open(probes / "asks", os.O_RDWR)
        for number, commit in enumerate(commits, 1):
            os.write(
                asks, f"ask {number} {commit} - s\nask {number} {commit} - s\nask {number} {commit} - t\n".encode()
            )
        os.write(asks, b"end\n")
        _, said = worker.communicate(timeout=60)
        os.close(asks)
    finally:
        worker.kill()
    events = [line.split() for line in (probes / "events").read_text().splitlines() if line]
    assert [event[0] for event in events] == ["ready", *["begun", "ended"] * len(WANTED), "over"], said
    ended = [event for event in events if event[0] == "ended"]
    assert [" ".join(event[3:6]) for event in ended] == WANTED
    assert (probes / "1.log").read_text() == "fine\n"
    assert (probes / "1.metrics").read_text() == "loss=0.5\n"
    assert not (probes / "2.metrics").exists()
    assert (probes / "6.tail").read_bytes().endswith(b"\0the end\n")
    marked = [path for path in Path("/proc").glob("[0-9]*/environ") if _holds(path, f"MLSH_PROBE={ID}.".encode(), home)]
    assert marked == []


def _holds(path: Path, mark: bytes, home: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return mark in text and os.fsencode(home) in text


def test_records_are_the_same_however_they_arrive() -> None:
    stream = b"noise\n\nmark 3 ended 1 c exited 0 - 5 \nout\nput\nmark\n\nmark 3 metrics\nx=1\n"
    stream += b"\nmark 4 done\n\nmark 4 beat\n"
    whole = list(Reader("mark").feed(stream))
    assert [(said.words[0], said.data) for said in whole] == [
        ("ended", b"noise\n"), ("metrics", b"out\nput\nmark\n"), ("done", b"x=1\n"), ("beat", b""),
    ]  # fmt: skip
    for size in (1, 2, 3, 7):
        reader = Reader("mark")
        pieces = (stream[at : at + size] for at in range(0, len(stream), size))
        assert [said for piece in pieces for said in reader.feed(piece)] == whole
