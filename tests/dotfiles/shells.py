"""A home with mlsh's own dotfiles in it, and shells in which a person types."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlsh.box import open_box
from mlsh.config import Settings
from mlsh.dotfiles.source import built_in
from tests.bed import wait_for
from tests.dotfiles.trees import pushed

PATH = "/usr/local/bin:/usr/bin:/bin"


def settle(home: Path) -> None:
    """Push mlsh's own dotfiles into the home of this process."""
    plan = pushed(open_box("local", Settings({})), built_in())
    assert plan.refused == ()
    assert (home / ".config/mlsh/bashrc").exists()


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a login gives a shell, and nothing of the developer's."""
    return {"HOME": str(home), "PATH": PATH, "TERM": "xterm-256color", "LANG": "C.UTF-8", "USER": "ada", **(more or {})}


def typed(
    shell: list[str], home: Path, lines: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Type lines into a shell; prompts are in stderr (bash, zsh) or stdout (fish)."""
    return subprocess.run(
        shell,
        input=lines,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(home, env),
        cwd=cwd or home,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def complains_of_fork(shell: list[str], home: Path, lines: str) -> bool:
    """Whether a shell says, within half a minute, that it can't start a process. It would try for long: it is ended."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            shell,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=environment(home),
            cwd=home,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(lines.encode())
        process.stdin.flush()

        def has_said() -> bool:
            return b"fork" in os.pread(said.fileno(), 1 << 20, 0)

        try:
            return wait_for(has_said, 30, "a word of fork")
        finally:
            process.kill()
            process.wait()


def repository(folder: Path, head: str = "ref: refs/heads/main\n") -> Path:
    """What looks like a git repository to a prompt."""
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/HEAD").write_text(head)
    return folder


def without_colour(text: str) -> str:
    """Text without the colours of a prompt."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\(B", "", text)


@contextlib.contextmanager
def as_nobody(home: Path) -> Iterator[tuple[Path, list[str]]]:
    """A copy of a home for a user whom the limits of the kernel bind (root's are none), and how to become that user."""
    open_to_all = Path(tempfile.mkdtemp(prefix="mlsh-prompt-"))
    copied = open_to_all / "home"
    try:
        shutil.copytree(home, copied)
        if os.geteuid() != 0:
            yield copied, []
            return
        for path in [open_to_all, copied, *copied.rglob("*")]:
            os.chown(path, 65534, 65534)
        yield copied, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    finally:
        shutil.rmtree(open_to_all)
