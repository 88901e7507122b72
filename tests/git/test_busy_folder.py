"""Files that change while they are looked at, and files that can't be read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlsh.git.snapshot import take
from tests.bed import wait_for
from tests.bed.requirements import not_possible_here
from tests.git.folders import content, yes


@pytest.mark.parametrize("round_", range(50))
def test_edits_of_the_same_size_in_the_same_instant_are_seen(repo: Path, round_: int) -> None:
    (repo / "a.txt").write_text(f"{round_:03}a")
    first = take(repo, yes)
    (repo / "a.txt").write_text(f"{round_:03}b")
    second = take(repo, yes)
    (repo / "a.txt").write_text(f"{round_:03}a")
    third = take(repo, yes)
    assert content(second)[b"a.txt"] == ("file", f"{round_:03}b".encode())
    assert (third.commit, third.commit == second.commit) == (first.commit, False)


def test_a_file_that_changes_while_it_is_read_does_not_stop_a_launch(repo: Path) -> None:
    script = (
        "import os\nn = 0\nwhile True:\n    n += 1\n"
        "    open('log', 'w').write('x' * (n % 7 * 100000))\n"
        "    open(f'came{n % 3}', 'w').write(str(n))\n    os.unlink(f'came{n % 3}')\n"
    )
    busy = subprocess.Popen([sys.executable, "-c", script], cwd=repo)
    try:
        wait_for((repo / "log").exists, 10, "the writer")
        for _ in range(10):
            assert content(take(repo, yes))[b"a.txt"] == ("file", b"one\n")
    finally:
        busy.kill()
        busy.wait()


def _as_user(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    argv = [*as_nobody, sys.executable, "-c", script, *args]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_can_not_be_read_is_refused_by_name_not_left_out(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "project"
    (folder / "secret folder").mkdir(parents=True)
    (folder / "secret folder/file").write_text("x")
    (folder / "ok").write_text("x")
    (folder / "secret folder" / ("file" if what == "file" else "")).chmod(0)
    script = (
        "import sys, os; from pathlib import Path\nfrom mlsh.git.snapshot import take\n"
        "os.environ['XDG_CACHE_HOME'] = sys.argv[1] + '/cache'\nfrom mlsh.errors import SnapshotRefused\n"
        "try:\n    print(take(Path(sys.argv[1]) / 'project', lambda *_: None).commit)\n"
        "except SnapshotRefused as error:\n    print(error.what, error.hint)\n"
    )
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    said = _as_user(script, str(tmp_path))
    if "ModuleNotFound" in said.stderr or "Permission denied: '/" in said.stderr:
        not_possible_here("This test", "an ordinary user can't read this checkout")
    assert "secret folder" in said.stdout, said
    assert ".mlshignore" in said.stdout
    (folder / ".mlshignore").write_text("secret folder\n")
    assert len(_as_user(script, str(tmp_path)).stdout.strip()) == 40
