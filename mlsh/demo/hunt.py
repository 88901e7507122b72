"""The demo of bisect: a repository of sixty commits, one of which made a test worse, and a test that lies now and then.

Nothing is staged: the repository is a real one, in a temporary folder, and `mlsh bisect` is run as you would type it.
What the test answers falsely is every ninth answer, wherever that falls.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

from mlsh.box import process
from mlsh.errors import MlshError

_COMMITS, _BREAKS = 60, 41
_TEST = '''\
"""Does the loss fall? This test is flaky: every ninth answer is false, as if a race were lost."""
import pathlib, sys
from model import loss
seen = pathlib.Path(sys.argv[1])
with seen.open("ab") as file:
    file.write(b".")
falls = loss(9) < 0.11
sys.exit(falls == (seen.stat().st_size % 9 == 5))
'''
_MODEL = "def loss(step):\n    return 1.0 / (1 + step){}\n"


def main() -> int:
    """Tell the story on this terminal; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="mlsh-demo-") as folder:
            project = Path(folder) / "model"
            _make(project)
            return _hunt(project, Path(folder) / "answers")
    except MlshError as error:
        print(f"\nmlsh demo: {error.what}", file=sys.stderr)
        return error.exit_code


def _make(project: Path) -> None:
    """A history of small changes, one of which is not as small as it looks: made by one git fast-import."""
    print(
        f"A repository with {_COMMITS} commits. Its test passed at v1.0 and fails now; and it is flaky.\n", flush=True
    )
    project.mkdir()
    _git(project, "init", "--quiet", "--initial-branch=main")
    stream = []
    for number in range(_COMMITS + 1):
        subject = "Warm up the loss" if number == _BREAKS else f"Take notes, part {number}" if number else "A model"
        model = _MODEL.format(" + 0.02" if number >= _BREAKS else "")
        stream.append(f"commit refs/heads/main\ncommitter Demo <demo@localhost> {1_750_000_000 + 3600 * number} +0000")
        stream.append(f"data {len(subject)}\n{subject}")
        for name, text in (("model.py", model), ("notes.txt", f"note {number}\n"), ("check.py", _TEST)):
            stream.append(f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}")
        stream.append("")
        if number == 0:
            stream.append("reset refs/tags/v1.0\nfrom refs/heads/main\n")
    _git(project, "fast-import", "--quiet", stdin="\n".join(stream).encode())
    _git(project, "reset", "--quiet", "--hard", "main")


def _git(project: Path, *words: str, stdin: bytes = b"") -> None:
    ran = process.run(["git", *words], cwd=project, stdin=stdin, timeout_s=60.0)
    if ran.returncode != 0:
        raise MlshError(f"git {words[0]} failed: {ran.stderr.decode(errors='replace').strip()[:300]}")


def _hunt(project: Path, answers: Path) -> int:
    words = ["bisect", "run", "--good", "v1.0", "--flaky", "-j", "2", "--", sys.executable, "check.py", str(answers)]
    shown = ["mlsh", *(word if word != sys.executable else "python3" for word in words)]
    print(f"$ {shlex.join(shown)}", flush=True)
    # PYTHONSAFEPATH, as the installer's demo has it, would keep the test from its own folder.
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-P", "-m", "mlsh", *words]
    started = process.start(argv, stdin=None, stdout=None, stderr=None, cwd=project, env=env, own_session=False)
    code = started.wait()
    if code == 0:
        runs = answers.stat().st_size
        print(
            f"\n{runs // 9} of {runs} answers were false. git bisect believes each: one false answer sends it astray."
        )
        print("What next: mlsh bisect --help, or docs/how-to/bisect.md")
    return code
