"""The demo from end to end: real mlsh, real tmux, real git, in a home of its own."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose mlsh, git and tmux know nothing of the user's; its tmux servers end with it."""
    # A socket's path must stay under 108 bytes, and pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="mlsh-", dir="/tmp") as sockets:
        kept = {name: value for name, value in os.environ.items() if not re.match("XDG_|MLSH_|TMUX|GIT_", name)}
        places = {
            "HOME": str(tmp_path),
            "TMUX_TMPDIR": sockets,
            "XDG_RUNTIME_DIR": sockets,
            "TMPDIR": sockets,
        }
        yield kept | places
        for socket in Path(sockets).glob("tmux-*/*"):
            subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True)


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlsh.demo", *arguments]


def test_a_run_outlives_the_process_that_watched_it(home: dict[str, str], tmp_path: Path) -> None:
    told = subprocess.run(
        demo("--seconds", "4"),
        env=home,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr
    first, second, whole = (
        int(count.replace(",", ""))
        for count in re.search(r"([\d,]+) \+ ([\d,]+) = ([\d,]+) bytes", told.stdout).groups()  # type: ignore[union-attr]
    )
    assert first > 0
    assert second > 0
    assert first + second == whole
    assert "Result: exit code 0" in told.stdout
    assert not list(Path(home["TMPDIR"]).glob("mlsh-demo-*"))


def test_ctrl_c_removes_the_project_and_says_that_the_job_goes_on(home: dict[str, str], tmp_path: Path) -> None:
    story = subprocess.Popen(
        demo("--seconds", "8"), env=home, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert story.stdout is not None
    shown = b""
    while b"step=20 " not in shown:
        chunk = os.read(story.stdout.fileno(), 65536)
        assert chunk, shown
        shown += chunk
    story.send_signal(signal.SIGINT)
    out, err = story.communicate(timeout=30)
    assert story.returncode == 130
    job = re.search(rb"  job (\S+) runs", shown + out).group(1).decode()  # type: ignore[union-attr]
    assert f"the job goes on. Watch it: mlsh logs -f {job}" in err.decode()
    assert not list(Path(home["TMPDIR"]).glob("mlsh-demo-*"))

    mlsh = [sys.executable, "-m", "mlsh"]
    began = time.monotonic()
    ended = subprocess.run([*mlsh, "wait", job], env=home, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 30
    log = subprocess.run([*mlsh, "logs", "--raw", job], env=home, cwd=tmp_path, capture_output=True, check=True).stdout
    assert b"step=300 " in log
