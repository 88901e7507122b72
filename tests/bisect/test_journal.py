"""A bisection that is killed, cut off or moved goes on from every answer that it had, and from no other."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsh.bisect import journal as journals
from mlsh.bisect.events import Asked, Begun, Known, Observed, Turned, Verdict, to_line
from mlsh.bisect.journal import AlreadyRunning, Journal, JournalDamaged, JournalNotWritten, current, identities
from mlsh.bisect.repository import Repository
from mlsh.errors import ExitCode, MlshError, NotFound
from tests.bisect.histories import History

FIRST, SECOND = "bcdfghjk", "wxyz2345"


def begun(identity: str = FIRST) -> Begun:
    return Begun(id=identity, bad="b" * 40, goods=["a" * 40], argv=["pytest", "-q"], mlsh="1")


def seen(number: int) -> Observed:
    return Observed(number=number, commit="c" * 40, kind="good", value=number / 3, reason="exit 0\nx", worker="gpu1")


EVENTS: list[Known] = [begun(), Asked(number=1, commit="c"), seen(1), Turned(mode="noisy"), seen(2), Verdict(kind="x")]
LINES = [to_line(event) for event in EVENTS]
WHOLE = b"".join(LINES)


def test_what_was_added_is_there_for_who_reads_and_who_goes_on(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, begun()) as journal:
        journal.append(seen(1))
        assert journals.read(tmp_path, FIRST).events == [begun(), seen(1)] == journal.events
    with Journal.resume(tmp_path, FIRST) as journal:
        assert (journal.events, journal.note, journal.id) == ([begun(), seen(1)], "", FIRST)
        journal.append(seen(2))
    assert journals.read(tmp_path, FIRST).events == [begun(), seen(1), seen(2)]
    assert journal.path.stat().st_mode & 0o777 == 0o600


@settings(max_examples=200)
@given(st.integers(0, len(WHOLE)), st.sampled_from([b"", b"\0" * 30, b'{"event":"obs', b"\0\0\n", b"garbage\n"]))
def test_a_journal_cut_at_any_byte_is_a_prefix_of_its_events(at: int, tail: bytes) -> None:
    # Either nothing follows, or what a power cut leaves of a write that was never confirmed.
    ends = [sum(len(line) for line in LINES[:count]) for count in range(len(LINES) + 1)]
    if tail.endswith(b"\n") and at not in ends:
        tail = b""
    parsed = journals.parse(WHOLE[:at] + tail, Path("j"))
    count = sum(end <= at for end in ends) - 1
    assert parsed.events == EVENTS[:count]
    assert parsed.size == ends[count]
    assert bool(parsed.note) == (ends[count] != at + len(tail))


@pytest.mark.parametrize("at", range(0, len(WHOLE), 23))
def test_after_a_cut_it_goes_on_with_the_next_whole_line(tmp_path: Path, at: int) -> None:
    Journal.begin(tmp_path, begun()).close()
    path = tmp_path / "mlsh/bisect" / FIRST / "journal.jsonl"
    path.write_bytes(WHOLE[:at])
    if at < len(LINES[0]):
        with pytest.raises(NotFound, match="cut off while it began"):
            Journal.resume(tmp_path, FIRST)
        return
    with Journal.resume(tmp_path, FIRST) as journal:
        kept = list(journal.events)
        journal.append(seen(9))
    assert journals.read(tmp_path, FIRST) == ([*kept, seen(9)], path.stat().st_size, "")


@pytest.mark.parametrize("number", range(len(LINES) - 1))
def test_damage_before_the_end_names_the_file_and_the_line(number: int) -> None:
    lines = [bytearray(line) for line in LINES]
    lines[number][20] ^= 1
    with pytest.raises(JournalDamaged, match=rf"journal\.jsonl: line {number + 1} ") as caught:
        journals.parse(b"".join(lines), Path("x/journal.jsonl"))
    assert caught.value.hint


def test_a_journal_of_a_newer_mlsh_is_not_guessed_at() -> None:
    newer = Begun(layout=2, id=FIRST, bad="b", goods=["a"], mlsh="9.9")
    with pytest.raises(MlshError, match=r"newer mlsh \(9\.9\)"):
        journals.parse(to_line(newer), Path("x"))


ADD = """
import sys
from pathlib import Path
from mlsh.bisect.journal import Journal
from mlsh.bisect.events import Observed
with Journal.resume(Path(sys.argv[1]), sys.argv[2]) as journal:
    print("open", flush=True)
    for number in range(1, 1_000_000):
        journal.append(Observed(number=number, commit="c", kind="good", reason="x" * 5000))
        print(number, flush=True)
"""


def test_every_answer_that_was_confirmed_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    Journal.begin(tmp_path, begun()).close()
    adder = subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path), FIRST], stdout=subprocess.PIPE)
    assert adder.stdout is not None
    for _ in range(20):
        adder.stdout.readline()
    # The other one is told, while the first adds.
    with pytest.raises(AlreadyRunning, match="another mlsh runs") as caught:
        Journal.resume(tmp_path, FIRST)
    assert caught.value.exit_code == ExitCode.TRY_AGAIN
    assert str(adder.pid) not in caught.value.what
    assert len(journals.read(tmp_path, FIRST).events) > 10
    adder.send_signal(signal.SIGKILL)
    last = int((b"0\n" + adder.stdout.read()).split()[-1])
    adder.wait()
    with Journal.resume(tmp_path, FIRST) as journal:
        numbers = [event.number for event in journal.events if isinstance(event, Observed)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= last


def test_a_child_that_outlives_mlsh_does_not_hold_the_journal(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, begun())
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    journal.close()
    Journal.resume(tmp_path, FIRST).close()
    child.kill()
    child.wait()


def test_two_bisections_of_one_repository_do_not_meet(tmp_path: Path) -> None:
    assert (current(tmp_path), identities(tmp_path)) == (None, [])
    with Journal.begin(tmp_path, begun()) as first, Journal.begin(tmp_path, begun(SECOND)) as second:
        assert current(tmp_path) == SECOND
        second.append(seen(2))
        first.append(seen(1))
        os.utime(second.path, ns=(1, 1))
    assert journals.read(tmp_path, FIRST).events == [begun(), seen(1)]
    assert journals.read(tmp_path, SECOND).events == [begun(SECOND), seen(2)]
    assert identities(tmp_path) == [FIRST, SECOND]
    Journal.resume(tmp_path, FIRST).close()
    assert current(tmp_path) == FIRST
    with pytest.raises(JournalNotWritten):
        Journal.begin(tmp_path, begun())


@pytest.mark.parametrize("identity", ["kkkkkkkk", "../../../etc", "", "x\x1b[0m", "a/b", ".."])
def test_an_id_that_is_none_leads_nowhere(tmp_path: Path, identity: str) -> None:
    for call in (lambda: journals.read(tmp_path, identity), lambda: Journal.resume(tmp_path, identity)):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.what.isprintable()


def test_a_current_that_names_nothing_is_none(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, begun())
    journal.close()
    pointer = tmp_path / "mlsh/bisect/current"
    for content in (b"../../x\n", b"", b"\xff\xfe", b"kkkkkkkk\n"):
        pointer.write_bytes(content)
        assert current(tmp_path) is None


def test_a_full_disk_is_an_error_and_costs_nothing_that_was_known(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel writes a part of the line, then refuses."""
    with Journal.begin(tmp_path, begun()) as journal:
        journal.append(seen(1))
        size = journal.path.stat().st_size
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, old[1]))
        try:
            with pytest.raises(JournalNotWritten, match=r"journal\.jsonl: File too large") as caught:
                journal.append(seen(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert "make room" in caught.value.hint
        assert journals.read(tmp_path, FIRST) == ([begun(), seen(1)], size, "")
        journal.append(seen(2))
    assert journals.read(tmp_path, FIRST).events == [begun(), seen(1), seen(2)]


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.root
def test_a_disk_without_room_for_a_journal_leaves_no_half_one(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=True)
    try:
        Journal.begin(disk, begun(SECOND)).close()
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        with pytest.raises(JournalNotWritten, match="No space"):
            Journal.begin(disk, begun())
        assert identities(disk) == [SECOND]
        assert current(disk) == SECOND
        filler.unlink()
        Journal.begin(disk, begun()).close()
        assert current(disk) == FIRST
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_repository_that_is_moved_keeps_its_bisection(history: History, tmp_path: Path) -> None:
    history.line("a", "b")
    with Journal.begin(Repository(history.folder).common, begun()) as journal:
        history.folder.rename(tmp_path / "moved")
        journal.append(seen(1))
    moved = Repository(tmp_path / "moved").common
    assert current(moved) == FIRST
    with Journal.resume(moved, FIRST) as journal:
        assert journal.events == [begun(), seen(1)]
    assert str(tmp_path).encode() not in journal.path.read_bytes()


def test_git_cleans_up_around_it(history: History) -> None:
    history.line("a", "b")
    repository = Repository(history.folder)
    Journal.begin(repository.common, begun()).close()
    history.git("gc", "-q", "--prune=now")
    history.git("worktree", "prune")
    assert current(repository.common) == FIRST
    assert "mlsh" not in history.git("status", "--porcelain")


def test_a_journal_that_somebody_deleted_is_not_written_into_nowhere(tmp_path: Path) -> None:
    with Journal.begin(tmp_path, begun()) as journal:
        journal.path.unlink()
        with pytest.raises(JournalNotWritten, match="deleted"):
            journal.append(seen(1))
