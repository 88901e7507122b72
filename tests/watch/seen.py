"""`mlsh ps -w --json` as a process, and what it has printed so far."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.bed import Box, Laptop, wait_for


class Seen:
    """A watch of boxes; `within_s` of a change it has to be seen."""

    def __init__(self, laptop: Laptop, folder: Path, *boxes: str, options: tuple[str, ...] = ()) -> None:
        flags = [word for box in boxes for word in ("--on", box)]
        self.out, self.err = folder / "watched", folder / "watched.err"
        with self.out.open("wb") as stdout, self.err.open("wb") as stderr:
            self.process: subprocess.Popen[bytes] = laptop.spawn(
                "ps", "-w", "--json", *flags, *options, stdout=stdout, stderr=stderr
            )

    def events(self) -> list[dict[str, Any]]:
        """All that was printed, whole lines only."""
        return [json.loads(line) for line in self.out.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def of(self, job: str) -> list[str]:
        """How the job stood, one after the other; GONE where it was removed."""
        return [
            "GONE" if one["event"] == "gone" else one["state"]
            for one in self.events()
            if one["event"] in {"job", "gone"} and one["id"] == job
        ]

    def count(self, event: str) -> int:
        """How often an event was printed."""
        return sum(one["event"] == event for one in self.events())

    def until(self, job: str, state: str, within_s: float = 15) -> float:
        """Wait until the job was last seen in this state; returns the seconds that it took."""
        began = time.monotonic()
        wait_for(lambda: self.of(job)[-1:] == [state], within_s, f"{job} to be seen as {state}; {self.said()}")
        return time.monotonic() - began

    def until_event(self, event: str, times: int = 1, within_s: float = 20) -> None:
        """Wait until an event was printed so often."""
        wait_for(lambda: self.count(event) >= times, within_s, f"{event}; {self.said()}")

    def said(self) -> str:
        """What it said beside its data."""
        return self.err.read_text()

    def end(self) -> int:
        """Ctrl-C; returns the exit code."""
        import signal

        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(15)


def watchers(box: Box) -> list[int]:
    """The processes of watches on the box."""
    return [one.pid for one in box.processes(r"/watch(_gpus)?\.sh|^tail .*\.changes")]
