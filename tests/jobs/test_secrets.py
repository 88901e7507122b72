"""A secret is seen by the job and by nobody else, and is gone when the job is."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for

TOKEN = "hf_s3cr3t'$(x)\"Ω"  # noqa: S105
NEEDLE = b"hf_s3cr3t"


@contextmanager
def watched_command_lines() -> Iterator[list[bytes]]:
    """Look at the command line of every process, here and in the boxes, as often as can be."""
    seen: list[bytes] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        words = file.read()
                except OSError:
                    continue
                if NEEDLE in words:
                    seen.append(words)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def holders(folder: Path) -> list[Path]:
    """The files below a folder that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if NEEDLE in path.read_bytes()]


def tmux_knows(text: str) -> bool:
    return NEEDLE.decode() in text


SEES = "import os, sys; v = os.environ['HF_TOKEN']; sys.exit(0 if v == open(sys.argv[1]).read() else 9)"
WAITS = "import os, time\nopen('ready', 'w')\nwhile not os.path.exists('go'): time.sleep(0.02)\n"


def test_only_the_job_sees_it_and_it_is_nowhere_else(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"sees.py": SEES, "waits.py": WAITS})
    gpu1.write("~/expected", TOKEN)
    (laptop.home / "expected").write_text(TOKEN)
    env = {"HF_TOKEN": TOKEN}
    with watched_command_lines() as seen:
        check = ["--", "sh", "-c", "python3 sees.py ~/expected && python3 waits.py"]
        on_box = laptop.run("run", "--explain", "--debug", "--on", "gpu1", "-d", "--secret", "HF_TOKEN", *check,
                            cwd=project, env=env)  # fmt: skip
        job = on_box.stdout.strip()
        tree = gpu1.path("~/.mlsh/trees") / job
        wait_for((tree / "ready").exists, 20, "the job")
        tmux = gpu1.sh(f"tmux -L mlsh show-environment -g; tmux -L mlsh show-environment -t ={job}", check=False).stdout
        assert job in gpu1.sh("tmux -L mlsh ls").stdout
        while_running = holders(gpu1.path("~/.mlsh"))
        (tree / "go").write_text("")
        assert laptop.run("wait", job, check=False).returncode == 0
    assert seen == []
    assert not tmux_knows(tmux)
    assert {path.name for path in while_running} <= {"secret"}
    assert holders(gpu1.path("~/.mlsh")) == []
    (laptop.home / "expected").unlink()
    assert holders(laptop.directory) == []
    assert NEEDLE.decode() not in on_box.stderr + on_box.stdout
    shown = json.loads(laptop.run("show", "--json", job).stdout)
    assert shown["secrets"] == ["HF_TOKEN"]
    assert shown["env"] == []


def test_an_exported_secret_does_not_stay_with_the_tmux_of_this_machine(laptop: Laptop) -> None:
    project = laptop.project({"sees.py": SEES, "waits.py": WAITS})
    (laptop.home / "expected").write_text(TOKEN)
    env = {"HF_TOKEN": TOKEN}
    job = laptop.run("run", "-d", "--secret", "HF_TOKEN", "--", "sh", "-c",
                     "python3 sees.py ~/expected && python3 waits.py", cwd=project, env=env).stdout.strip()  # fmt: skip
    tree = laptop.home / ".mlsh/trees" / job
    wait_for((tree / "ready").exists, 20, "the job")
    script = f"tmux -L mlsh show-environment -g; tmux -L mlsh show-environment -t ={job}"
    assert not tmux_knows(laptop.command("sh", "-c", script).stdout)
    (tree / "go").write_text("")
    assert laptop.run("wait", job, check=False).returncode == 0
    (laptop.home / "expected").unlink()
    assert holders(laptop.directory) == []
    # A later job, launched without it, does not find it in an environment that the first one left behind.
    ran = laptop.run("run", "--", "sh", "-c", 'test -z "$HF_TOKEN"', cwd=project, env={"HF_TOKEN": None}, check=False)
    assert ran.returncode == 0


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "LOST"])
def test_it_is_gone_however_the_job_ended(laptop: Laptop, gpu1: Box, end: str) -> None:
    laptop.add(gpu1)
    (laptop.home / ".env").write_text(f"HF_TOKEN='{NEEDLE.decode()}'\n")
    command = {"SUCCEEDED": "true", "FAILED": "exit 3"}.get(end, "sleep 100")
    limit = ["--time", "1s", "--grace", "0s"] if end == "TIMEOUT" else []
    ran = laptop.run("run", "--on", "gpu1", "--no-code", "-d", *limit, "--env-file", ".env", "--", "sh", "-c", command)
    job = ran.stdout.strip()

    def state() -> str:
        return str(json.loads(laptop.run("show", "--json", job).stdout)["state"])

    if end in {"CANCELLED", "LOST"}:
        wait_for(lambda: state() == "RUNNING", 20, "the start")
    if end == "CANCELLED":
        laptop.run("cancel", "--grace", "0", job)
    elif end == "LOST":
        gpu1.sh("pkill -KILL -f 'runner.sh' ; pkill -KILL sleep", check=False)
    wait_for(lambda: state() == end, 20, end)
    assert holders(gpu1.path("~/.mlsh")) == []


def test_an_error_in_the_middle_shows_no_secret(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    env = {"HF_TOKEN": TOKEN}
    gpu1.sh("mkdir -p .mlsh && mv .mlsh .mlsh-aside && touch .mlsh")
    try:
        words = ["run", "--debug", "--explain", "--on", "gpu1", "--no-code", "--secret", "HF_TOKEN", "--", "true"]
        ran = laptop.run(*words, env=env, check=False)
        assert ran.returncode != 0
        assert "Traceback" in ran.stderr
        assert NEEDLE.decode() not in ran.stderr
    finally:
        gpu1.sh("rm -f .mlsh && mv .mlsh-aside .mlsh")
    assert holders(laptop.directory) == []


def test_a_retry_asks_for_it_again(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    gpu1.write("~/expected", TOKEN)
    env = {"HF_TOKEN": TOKEN}
    test = ["--", "python3", "-c", SEES.replace("sys.argv[1]", "os.path.expanduser('~/expected')")]
    laptop.run("run", "--on", "gpu1", "--no-code", "--secret", "HF_TOKEN", *test, env=env)
    without = laptop.run("retry", "@", check=False)
    assert without.returncode == 66
    assert "HF_TOKEN" in without.stderr
    assert laptop.run("retry", "@", env=env, check=False).returncode == 0
    assert laptop.run("retry", "@", env={"HF_TOKEN": "another"}, check=False).returncode == 9
