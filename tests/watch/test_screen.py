"""What a person sees of `mlsh ps -w`: drawn in place, whole, sized to the window, and still there at the end."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bed import Box, DeadlineError, Laptop, wait_for
from tests.jobs.life import start, until

ROWS, COLUMNS = 12, 60


class Window:
    """A terminal that understands what mlsh sends, and no more: anything else is an error."""

    def __init__(self, laptop: Laptop, *words: str, rows: int = ROWS, columns: int = COLUMNS, **env: str) -> None:
        self._main, theirs = pty.openpty()
        self.resize(rows, columns, None)
        self.process = laptop.spawn(*words, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.raw, self._rest = b"", ""
        self.lines = [""]
        self.at = (0, 0)
        self.frames: list[float] = []
        self.cursor = True

    def resize(self, rows: int, columns: int, pid: int | None) -> None:
        """Give the window another size."""
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if pid is not None:
            # It is nobody's controlling terminal, so the kernel tells nobody.
            os.kill(pid, signal.SIGWINCH)

    def read(self) -> None:
        """Draw what has come."""
        while select.select([self._main], [], [], 0)[0]:
            try:
                data = os.read(self._main, 1 << 16)
            except OSError:
                return
            self.raw += data
            self._rest += data.decode(errors="replace")
            # What is not whole yet waits.
            whole = re.match(r"(?:\x1b\[\??[0-9;]*[A-Za-z]|[^\x1b])*", self._rest)
            assert whole is not None
            self._rest = self._rest[whole.end() :]
            for piece in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", whole[0]):
                self._draw(piece)

    def _draw(self, piece: str) -> None:
        row, column = self.at
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            self.lines += [""] * (row + 1 - len(self.lines))
            assert row < self.rows, "the window was scrolled"
        elif piece == "\x1b[K":
            self.lines[row] = self.lines[row][:column]
        elif piece == "\x1b[J":
            self.lines = [*self.lines[:row], self.lines[row][:column]]
        elif match := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row -= int(match[1])
            assert row >= 0, "drawn above its first line"
        elif piece == "\x1b[H":
            row, column = 0, 0
        elif piece == "\x1b[2J":
            self.lines = [""]
        elif piece == "\x1b[?2026h":
            self.frames.append(time.monotonic())
        elif piece in {"\x1b[?25l", "\x1b[?25h"}:
            self.cursor = piece.endswith("h")
        elif not re.fullmatch(r"\x1b\[[0-9;]*m|\x1b\[\?2026l", piece):
            assert "\x1b" not in piece, f"{piece!r} is not understood"
            self.lines[row] = self.lines[row][:column].ljust(column) + piece + self.lines[row][column + len(piece) :]
            column += len(piece)
            assert column <= self.columns, f"{self.lines[row]!r} is wider than the window"
        self.at = (row, column)

    @property
    def text(self) -> str:
        """What is on the screen now."""
        self.read()
        return "\n".join(self.lines)

    def shows(self, *texts: str, within_s: float = 15) -> None:
        """Wait until all these are on the screen at once."""
        try:
            wait_for(lambda: all(text in self.text for text in texts), within_s, f"{texts}")
        except DeadlineError as late:
            raise AssertionError(f"{late}\n{self.text}") from None

    def ends(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        wait_for(lambda: (self.read(), self.process.poll() is not None)[1], 15, "its end")
        self.read()
        return int(self.process.returncode)


@pytest.fixture
def window(laptop: Laptop) -> Iterator[Callable[..., Window]]:
    made: list[Window] = []

    def make(*words: str, **how: object) -> Window:
        made.append(Window(laptop, *words, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.process.kill()


@pytest.fixture
def box(laptop: Laptop, gpu1: Box) -> Box:
    laptop.add(gpu1)
    gpu1.sh("rm -rf ~/.mlsh/jobs/* ~/.mlsh/ended.list ~/go", check=False)
    return gpu1


def test_it_is_drawn_in_place_and_stays_when_it_ends(laptop: Laptop, box: Box, window: Callable[..., Window]) -> None:
    seen = window("ps", "-w", "--on", "gpu1")
    seen.shows("no jobs since yesterday")
    job = start(laptop, "gpu1", "until [ -e ~/go ]; do sleep 0.1; done", options=("-n", "one"))
    seen.shows(job, "RUNNING", "STATE")
    assert "no jobs" not in seen.text
    seen.shows("2s")
    box.write("~/go", "")
    seen.shows("SUCCEEDED")
    assert "RUNNING" not in seen.text
    assert not seen.cursor
    assert seen.ends() == 0
    assert seen.cursor
    assert job in seen.text
    assert seen.lines[-1] == ""
    assert b"\x1b[2J" not in seen.raw


def test_it_follows_the_size_of_its_window_and_says_what_is_hidden(
    laptop: Laptop, box: Box, window: Callable[..., Window]
) -> None:
    job = start(laptop, "gpu1", "true")
    until(box, job, "SUCCEEDED")
    box.sh(f"""cd ~/.mlsh/jobs; for n in b c d f g h j k m n; do new=${{n}}2222222; cp -r {job} $new
        sed -i "s/{job}/$new/" $new/spec.json $new/state.json; done""")
    seen = window("ps", "-w", "--on", "gpu1")
    seen.shows("2 more are hidden")
    assert len(seen.lines) <= ROWS - 1
    seen.resize(30, 100, seen.process.pid)
    wait_for(lambda: "hidden" not in seen.text, 15, "all to be shown")
    assert seen.text.count("SUCCEEDED") == 11
    seen.resize(5, 30, seen.process.pid)
    seen.shows("hidden")
    assert len(seen.lines) <= 4
    assert seen.ends() == 0


def test_no_more_than_ten_redraws_a_second(laptop: Laptop, box: Box, window: Callable[..., Window]) -> None:
    job = start(laptop, "gpu1", "true", options=("-n", "one"))
    until(box, job, "SUCCEEDED")
    seen = window("ps", "-w", "--on", "gpu1")
    seen.shows("SUCCEEDED")
    box.write(
        "~/busy.sh",
        f"""cd ~/.mlsh/jobs/{job} && cp state.json base; n=0
        while [ $n -lt 120 ]; do
            n=$((n + 1)); sed "s/SUCCEEDED/FAILED/; s/\\(code..\\)0,/\\1$n,/" base >new; mv new state.json
            echo {job} >>~/.mlsh/nodes/gpu1.changes; sleep 0.02
        done""",
    )
    box.sh("nohup sh ~/busy.sh >/dev/null 2>&1 &")
    seen.shows("FAILED 120", within_s=20)
    assert len(seen.frames) > 10
    closest = min(later - first for first, later in zip(seen.frames, seen.frames[10:], strict=False))
    assert closest > 0.8
    seen.ends()


def test_a_dead_box_is_shown_as_such_and_delays_nobody(
    laptop: Laptop, box: Box, gpu2: Box, window: Callable[..., Window]
) -> None:
    laptop.add(gpu2)
    gpu2.blackhole(True)
    try:
        seen = window("ps", "-w", "--on", "gpu2", "--on", "gpu1", columns=100)
        job = start(laptop, "gpu1", "sleep 30")
        seen.shows(job, "gpu2: connecting", within_s=8)
        seen.shows("gpu2: no connection for", within_s=40)
    finally:
        gpu2.blackhole(False)
    wait_for(lambda: "gpu2" not in seen.text, 40, f"gpu2 to be there; {seen.text}")
    assert job in seen.text
    laptop.run("cancel", job)
    seen.ends()


def test_without_colour_where_none_is_wanted(laptop: Laptop, box: Box, window: Callable[..., Window]) -> None:
    job = start(laptop, "gpu1", "true")
    seen = window("ps", "-w", "--on", "gpu1", NO_COLOR="1")
    seen.shows(job, "SUCCEEDED")
    assert not re.search(rb"\x1b\[[0-9;]*m", seen.raw)
    seen.ends()
    dumb = window("ps", "-w", "--on", "gpu1", TERM="dumb", columns=200)
    wait_for(lambda: job.encode() in (dumb.read(), dumb.raw)[1], 15, "a line")
    assert b"\x1b" not in dumb.raw
    dumb.ends()


def test_what_a_job_is_called_can_not_harm_the_screen(laptop: Laptop, box: Box, window: Callable[..., Window]) -> None:
    start(laptop, "gpu1", "true", "\x1b]52;c;eA==\x07\x1b[2J\u202e\r\n")
    seen = window("ps", "-w", "--on", "gpu1", columns=120)
    seen.shows("SUCCEEDED")
    assert b"\x1b]52" not in seen.raw
    assert "\u202e" not in seen.raw.decode()
    seen.ends()


def test_a_reader_that_has_seen_enough_ends_it(laptop: Laptop, box: Box, tmp_path: Path) -> None:
    start(laptop, "gpu1", "true")
    ran = laptop.command("sh", "-c", "mlsh ps -w --on gpu1 | head -n 2", timeout=20)
    assert len(ran.stdout.splitlines()) == 2
