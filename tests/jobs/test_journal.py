"""The laptop's record of jobs: many writers, a torn line or a full disk cost at most that line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlsh import config
from mlsh.jobs import journal
from mlsh.records import Launched, from_json


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/mlsh/jobs.jsonl"


def entry(number: int, **more: object) -> Launched:
    return Launched(f"job{number}", "gpu1", float(number), **more)  # type: ignore[arg-type]


def test_later_lines_replace_earlier_ones_and_removed_jobs_are_gone() -> None:
    for what in (entry(1), entry(2), entry(1, confirmed=True), entry(2, removed=True)):
        journal.add(what)
    assert journal.read() == [entry(1, confirmed=True)]


def test_nobody_else_can_read_it(state: Path) -> None:
    journal.add(entry(1))
    assert state.stat().st_mode & 0o777 == 0o600


def test_many_writers_lose_no_line(state: Path) -> None:
    script = (
        "import sys; from mlsh.jobs import journal; from mlsh.records import Launched\n"
        "for n in range(200): journal.add(Launched(f'{sys.argv[1]}-{n}', 'gpu1', 0.0))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(number)]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(journal.read()) == 800
    for line in state.read_bytes().splitlines():
        from_json(line, Launched)


@pytest.mark.parametrize("torn", [b'{"id":"job2","bo', b"\0\0\0", b"\xff\xfe\n", b"[]\n", b'{"id":5}\n', b"\x1b[2J\n"])
def test_a_torn_line_costs_itself_and_not_the_next(state: Path, torn: bytes) -> None:
    journal.add(entry(1))
    with state.open("ab") as file:
        file.write(torn)
    journal.add(entry(3))
    assert journal.read() == [entry(1), entry(3)]


def test_a_record_that_can_not_be_written_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    journal.add(entry(1))
    journal.add(entry(1, confirmed=True))
    said = capsys.readouterr().err
    assert said.count("job1") == 2
    assert "mlsh show job1 --on gpu1" in said
    assert said.count("\n") == 1


def test_it_stays_short_and_keeps_the_newest() -> None:
    for number in range(4100):
        journal.add(entry(number))
    journal.read()
    assert journal.read()[-1] == entry(4099)
    assert len((config.state_dir() / "jobs.jsonl").read_bytes().splitlines()) == 2000
    assert os.listdir(config.state_dir()) == ["jobs.jsonl"]


def test_a_box_that_never_confirmed_a_launch_counts_only_where_it_has_a_name() -> None:
    for box, confirmed in (("gpu1", False), ("nosuch", False), ("gpu1", True), ("gpu2", False)):
        journal.add(Launched(f"on-{box}-{confirmed}", box, 1.0, confirmed=confirmed))
    assert journal.boxes() == ["gpu1"]
    assert journal.boxes(lambda: ["local", "gpu2"]) == ["gpu2", "gpu1"]
