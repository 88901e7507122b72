"""Workers on boxes that are reached by ssh, and what may happen to box and way."""

from collections.abc import Callable

import pytest

from mlsh.bisect.probing import Probe
from mlsh.bisect.workers import WorkerBack, Workers, cleanup
from mlsh.errors import SnapshotRefused
from tests.bed import Box, ChaosProxy, Laptop
from tests.bisect.working import crew, fingerprint, git, history, plan
from tests.jobs.in_process import sit_at


@pytest.fixture(autouse=True)
def _here(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    sit_at(laptop, monkeypatch)


def test_a_range_runs_on_a_box_under_its_own_names_and_without_what_came_before(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    top, commits = history(laptop, [{"code": str(number), "same": "s" * 1000} for number in range(8)], "range")
    before = fingerprint(top)
    script = "cat code same | head -c 3; git rev-parse HEAD; git log --format=%s"
    with crew(top, commits[:3:-1], plan(top, script, box="gpu1"), plan(top, script, box="gpu1", slot=2)) as team:
        for number, commit in enumerate(commits[4:], 4):
            subjects = "".join(f"version {known}\n" for known in range(number, 3, -1))
            result = team.probe(number, commit, "gpu1" if number % 2 else "gpu1#2")
            assert result.output.decode() == f"{number}ss{commit}\n{subjects}", result
            assert result.worker == ("gpu1" if number % 2 else "gpu1#2")
        assert team.probe(9, commits[0], "gpu1").ending == "checkout-failed"
    assert fingerprint(top) == before
    assert gpu1.sh("ls .mlsh/trees").stdout == ""
    # Another range of the same repository, and what `mlsh prune` makes of both.
    laptop.run("prune", "-y", "--on", "gpu1")
    gpu1.sh("git -C .mlsh/repos/range.git fsck --full --strict")
    with crew(top, commits[::-1], plan(top, script, box="gpu1", bisection="two")) as team:
        assert team.probe(1, commits[1], "gpu1").output.decode().startswith("1ss")
    laptop.run("prune", "-y", "--on", "gpu1")
    gpu1.sh("git -C .mlsh/repos/range.git fsck --full --strict")


def test_a_range_with_merges_is_sent_whole(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    top, commits = history(laptop, [{"a": str(number)} for number in range(3)], "merges")
    git(top, "checkout", "-q", "-b", "side", commits[0])
    (top / "side").write_text("side")
    git(top, "add", "side")
    git(top, "commit", "-qm", "side")
    side = git(top, "rev-parse", "HEAD")
    git(top, "checkout", "-q", "main")
    git(top, "merge", "-q", "-m", "merge", "side")
    merge = git(top, "rev-parse", "HEAD")
    # The good ends are not ancestors of each other, and the merge has a parent that is left out.
    with crew(top, [merge, commits[2], commits[1]], plan(top, "cat a side", box="gpu1")) as team:
        assert team.probe(1, merge, "gpu1").output == b"2side"
        assert team.probe(2, commits[1], "gpu1").exit_code == 1
        assert team.probe(3, side, "gpu1").ending == "checkout-failed"


def test_the_size_is_asked_about_before_it_is_sent(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    top, commits = history(laptop, [{"big": "x", "small": "y"}], "size")

    def refuse(size: int, largest: list[object]) -> None:
        raise SnapshotRefused(f"{size} {largest}")

    with pytest.raises(SnapshotRefused, match=r"\d+ .*big.*small"):
        Workers("one", top / ".git", commits, confirm=refuse).start([plan(top, "true", box="gpu1")])
    assert not gpu1.path("~/.mlsh/repos/size.git").exists()


def test_a_connection_that_is_cut_loses_no_probe_and_runs_none_twice(
    laptop: Laptop, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, via=proxy)
    script = "echo >>~/ran; while [ ! -e ~/go ]; do sleep 0.05; done; echo done"
    top, commits = history(laptop, [{"a": "a"}], "cut")
    with crew(top, commits, plan(top, script, box="gpu1")) as team:
        team.workers.ask("gpu1", Probe(1, commits[0]))
        team.workers.ask("gpu1", Probe(2, commits[0]))
        team.started(1)
        proxy.reset()
        gpu1.sh("touch go")
        assert [team.result(number).output for number in (1, 2)] == [b"done\n"] * 2
        proxy.reset()
        assert team.probe(3, commits[0], "gpu1").output == b"done\n"
    assert gpu1.sh("wc -l <ran").stdout.strip() == "3"


@pytest.mark.root
def test_a_box_that_dies_gives_its_probes_back_and_serves_again_when_it_is_back(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    top, commits = history(laptop, [{"a": "a"}], "dies")
    with crew(top, commits, plan(top, "[ -e ~/go ] || sleep 60", box="fresh"), lost_after_s=3) as team:
        team.workers.ask("fresh", Probe(1, commits[0]))
        team.started(1)
        fresh_box.halt(power_cut=True)
        assert team.lost(60).numbers == (1,)
        fresh_box.boot()
        fresh_box.sh("touch go")
        team.until(lambda: WorkerBack("fresh") in team.events, "the box", 90)
        assert team.probe(2, commits[0], "fresh").exit_code == 0


@pytest.mark.root
def test_a_full_disk_is_named_and_what_can_be_checked_out_later_is(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    small = {"small": "s"}
    top, commits = history(laptop, [small, {**small, "big": "".join(f"{n} " for n in range(600_000))}], "full")
    with crew(top, commits, plan(top, "wc -c <small", box="fresh")) as team:
        assert team.probe(1, commits[0], "fresh").output == b"1\n"
        fresh_box.fill_disk(leave_kib=512)
        result = team.probe(2, commits[1], "fresh")
        assert (result.ending, result.reason) == ("checkout-failed", "the disk is full")
        # There is no room for what it prints.
        assert team.probe(3, commits[0], "fresh").exit_code == 0
        fresh_box.free_disk()
        assert team.probe(4, commits[1], "fresh").output == b"1\n"


def test_what_a_killed_laptop_left_on_a_box_is_cleaned_up(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    top, commits = history(laptop, [{"a": "a"}], "left")
    workers = Workers("left", top / ".git", commits)
    workers.start([plan(top, "sleep 98770", box="gpu1", bisection="left")])
    workers.ask("gpu1", Probe(1, commits[0]))
    assert workers.next_event(30)
    cleanup("left", top / ".git")
    assert gpu1.processes("^sleep 98770") == []
    assert gpu1.sh("ls .mlsh/trees").stdout == ""
