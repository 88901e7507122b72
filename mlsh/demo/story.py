"""The demo's story: launch a training run, lose the connection half-way, find the run unharmed.

Nothing here is staged: each step is an mlsh command, shown as you would type it, run as a process of its own.
The job is a real one on the box `local`; the project is a temporary folder that is gone at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from mlsh.box import process
from mlsh.demo.plot import plot, read_curve
from mlsh.errors import ExitCode, MlshError

_COMMITTED, _EDITED = "LEARNING_RATE = 0.003", "LEARNING_RATE = 0.01"
_EDITED_SEEN = b"learning_rate=0.01\r"  # as train.py prints it, at the end of a terminal's line
_CALL_LIMIT_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the demo's command line (the process's own if None) and tell the story; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlsh demo", description="A training run that outlives its watcher.")
    parser.add_argument("--seconds", type=_seconds, default=15.0, help="how long the run takes (default: 15)")
    return tell(parser.parse_args(argv).seconds)


def _seconds(text: str) -> float:
    value = float(text)
    if not 2 <= value <= 3600:
        raise argparse.ArgumentTypeError("between 2 and 3600")
    return value


def tell(seconds: float) -> int:
    """Tell the whole story on this terminal; returns the exit code.

    A closed terminal and a polite kill end it as Ctrl-C does: with its folder removed, and a word on the job.
    """
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    story = Story(seconds)
    try:
        story.tell()
    except KeyboardInterrupt:
        _say_stopped(story.job)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except MlshError as error:
        print(f"\nmlsh demo: {error.what}", file=sys.stderr)
        if error.hint:
            print(f"  try: {error.hint}", file=sys.stderr)
        return error.exit_code
    return ExitCode.OK


def _say_stopped(job: str) -> None:
    if job:
        news = f"the job goes on. Watch it: mlsh logs -f {job}  End it: mlsh cancel {job}"
    else:
        news = "if its job was launched, `mlsh ps` shows it."
    print(f"\nThe demo stopped; {news}", file=sys.stderr)


class Followed(NamedTuple):
    """What a follower of a log received, and its exit code (None if it was killed)."""

    received: bytes
    exit_code: int | None


class Story:
    """The steps, and what they know of each other: the project's folder, then the job's id."""

    def __init__(self, seconds: float) -> None:
        """Tell of a run that takes about `seconds`."""
        self.seconds = seconds
        self.job = ""
        self.project = Path()
        self._color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def tell(self) -> None:
        """Run every step. Raises MlshError as soon as one isn't as it should be."""
        with tempfile.TemporaryDirectory(prefix="mlsh-demo-") as folder:
            self.project = Path(folder) / "spirals"
            self.make_project()
            self.launch()
            first = self.follow_and_lose()
            second = self.follow_to_the_end(len(first))
            log = self.compare(first, second)
            self.show_result(log)
        self.say_what_next()

    def make_project(self) -> None:
        """A git repository with one commit, and one change that isn't committed."""
        self.title("1. A project: a git repository with train.py, and a change that you haven't committed")
        self.project.mkdir()
        script = resources.files("mlsh.demo").joinpath("train.py").read_text()
        if _COMMITTED not in script:
            raise MlshError(f"the demo's train.py no longer says {_COMMITTED!r}")
        file = self.project / "train.py"
        file.write_text(script)
        self.git("init", "--quiet")
        self.git("add", "train.py")
        self.git("commit", "--quiet", "--no-verify", "-m", "Tell two spirals apart")
        file.write_text(script.replace(_COMMITTED, _EDITED))
        self.say(f"  train.py: -{_COMMITTED}\n  train.py: +{_EDITED}")

    def launch(self) -> None:
        """Start the job and come back at once."""
        self.title("2. Launch: mlsh takes a snapshot of the code, uncommitted change included, and starts the job")
        train = ["python3", "train.py", "--seconds", f"{self.seconds:g}"]
        answer = self.mlsh("run", "-d", "--on", "local", "-n", "demo", "--json", "--", *train)
        try:
            self.job = str(json.loads(answer)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise MlshError(f"`mlsh run --json` answered {answer[:200]!r}, without an id") from error
        self.say(f"  job {self.job} runs in a tmux session of its own, in its own copy of the code")

    def follow_and_lose(self) -> bytes:
        """Watch the log until half-way, and then be killed. Returns what had arrived."""
        self.title("3. Watch it; half-way the laptop's lid closes, and the watching process is killed (kill -9)")
        first = self.follow(["logs", "-f", "--raw", self.job], lose_after_s=self.seconds / 2)
        if first.exit_code is not None:
            raise MlshError(f"`mlsh logs -f` ended by itself, with exit code {first.exit_code}, before the lid closed")
        self.say(f"\n  killed. {len(first.received):,} bytes of the log had arrived")
        time.sleep(min(1.5, self.seconds / 10))  # nobody watches now
        self.title("4. The job doesn't notice: it belongs to its box, not to the process that watched")
        self.say(self.mlsh("ps", "--on", "local").decode(errors="replace").rstrip())
        return first.received

    def follow_to_the_end(self, offset: int) -> bytes:
        """Watch again from the byte where the first follower stopped. Returns what arrived."""
        self.title(f"5. The lid opens: go on from byte {offset:,}, to the end; the exit code is the job's")
        second = self.follow(["logs", "-f", "--raw", "--from", str(offset), self.job])
        if second.exit_code != 0:
            raise MlshError(f"the job ended with exit code {second.exit_code}", f"mlsh logs {self.job}")
        return second.received

    def compare(self, first: bytes, second: bytes) -> bytes:
        """Check that the two parts are the log, byte for byte. Returns the log."""
        self.title("6. Was anything lost, or seen twice?")
        log = self.mlsh("logs", "--raw", self.job)
        if first + second != log:
            pairs = zip(first + second, log, strict=False)
            at = next(
                (i for i, (ours, theirs) in enumerate(pairs) if ours != theirs),
                min(len(first + second), len(log)),
            )
            raise MlshError(f"the parts differ from the log at byte {at} ({len(first + second)} of {len(log)} bytes)")
        self.say(f"  {len(first):,} + {len(second):,} = {len(log):,} bytes: the log exactly, byte for byte")
        return log

    def show_result(self, log: bytes) -> None:
        """The last loss and the curve."""
        curve = read_curve(log.decode(errors="replace"))
        if not curve:
            raise MlshError("the log holds no loss", f"mlsh logs {self.job}")
        if _EDITED_SEEN not in log:
            raise MlshError("the job ran the committed code, not the snapshot with your change")
        self.title(f"7. Result: exit code 0, last loss {curve[-1][1]:.4f}, at the learning rate of your change")
        columns, rows = shutil.get_terminal_size()
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        size = min(72, columns - 3), min(14, rows - 2)
        for line in plot(curve, *size, unicode=unicode, color=self._color):
            self.say(f"  {line}")

    def say_what_next(self) -> None:
        """What to type after the demo."""
        self.title("What next")
        if not shutil.which("mlsh"):
            self.say("  sh install.sh                     install mlsh: the demo ran without")
        self.say(f"  mlsh show {self.job:<24}what ran, where, and with which code")
        self.say(f"  mlsh rm {self.job:<26}delete the demo's job, its log and its code")
        self.say("  mlsh run --on HOST -- COMMAND     the same on any Host of your ~/.ssh/config")

    # --- how it runs and speaks

    def mlsh(self, *arguments: str) -> bytes:
        """Show an mlsh command, run it in the project, and return its output."""
        self.show(["mlsh", *arguments])
        ran = process.run(
            [sys.executable, "-m", "mlsh", *arguments],
            cwd=self.project,
            env=_without_git(),
            timeout_s=_CALL_LIMIT_S,
        )
        if ran.returncode != 0:
            why = ran.stderr.decode(errors="replace").strip()
            raise MlshError(f"`mlsh {arguments[0]}` ended with exit code {ran.returncode}: {why or 'no reason given'}")
        return ran.stdout

    def follow(self, arguments: Sequence[str], lose_after_s: float | None = None) -> Followed:
        """Show and run an mlsh command whose output appears as it comes.

        With `lose_after_s` it is killed with SIGKILL that many seconds after its first byte.
        """
        self.show(["mlsh", *arguments])
        child = process.start(
            [sys.executable, "-m", "mlsh", *arguments], cwd=self.project, env=_without_git(), stderr=None
        )
        assert child.stdout is not None  # noqa: S101 - start() opens a pipe unless told otherwise
        try:
            received = _copy(child.stdout.fileno(), _write_through, lose_after_s)
            if received.ended:
                return Followed(received.data, child.wait(_CALL_LIMIT_S))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            # What it had written before it died is in the pipe, and was received.
            rest = _copy(child.stdout.fileno(), _write_through, 0.0)
            return Followed(received.data + rest.data, None)
        finally:
            process.stop(child)
            child.stdout.close()

    def git(self, *arguments: str) -> None:
        """Run git in the project, without the user's settings and hooks."""
        who = ["-c", "user.name=mlsh demo", "-c", "user.email=demo@localhost"]
        env = _without_git() | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        ran = process.run(["git", *who, *arguments], cwd=self.project, env=env, timeout_s=_CALL_LIMIT_S)
        if ran.returncode != 0:
            raise MlshError(f"git {arguments[0]}: {ran.stderr.decode(errors='replace').strip()}")

    def title(self, text: str) -> None:
        """Announce a step."""
        self.say(f"\n\x1b[1m{text}\x1b[0m" if self._color else f"\n{text}")

    def show(self, argv: Sequence[str]) -> None:
        """Show a command as it could be pasted."""
        line = f"$ {shlex.join(argv)}"
        self.say(f"\x1b[32m{line}\x1b[0m" if self._color else line)

    def say(self, text: str) -> None:
        """Print at once: the output of children must come after it."""
        print(text, flush=True)


class _Copied(NamedTuple):
    data: bytes
    ended: bool


def _copy(source: int, write: Callable[[bytes], None], limit_s: float | None) -> _Copied:
    """Copy a pipe until it ends, or until `limit_s` after its first byte (0: only what is there now)."""
    data, deadline = bytearray(), (time.monotonic() if limit_s == 0 else None)
    while True:
        wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([source], [], [], wait_s)[0]:
            return _Copied(bytes(data), False)
        chunk = os.read(source, 65536)
        if not chunk:
            return _Copied(bytes(data), True)
        if limit_s and deadline is None:
            deadline = time.monotonic() + limit_s
        data += chunk
        write(chunk)
        if limit_s and deadline is not None and time.monotonic() >= deadline:
            return _Copied(bytes(data), False)


def _write_through(chunk: bytes) -> None:
    # The log of our own train.py: the one text from a box that may go to the terminal as it is.
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _without_git() -> dict[str, str]:
    """The environment without GIT_DIR and its kin, which would lead git out of the demo's project."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
