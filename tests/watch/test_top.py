"""`mlsh top`: who has which GPU, who waits, and what fits on the screen."""

import json
import signal
from collections.abc import Callable

import pytest

from mlsh.box.gpus import Gpu, GpuProcess
from mlsh.cli.top_lines import bar, fit, lines_of, users
from mlsh.jobs.picture import LOST, WATCHED, Picture
from mlsh.jobs.watching import Gpus, Host
from mlsh.records import Job, JobState, Spec, State
from mlsh.shell.table import width
from tests.bed import Box, Laptop, Sit, wait_for
from tests.jobs.life import start, until

SMI = """
case "$*" in
*compute-apps*) cat /home/alice/apps 2>/dev/null ;;
*query-gpu*driver*) cat /home/alice/cards ;;
*query-gpu*) sed 's/^\\([^,]*, [^,]*\\), [^,]*\\(, [^,]*, [^,]*\\),.*/\\1\\2, Disabled/' /home/alice/cards ;;
esac
exit 0
"""


def cards(*busy: int) -> str:
    return "".join(f"{n}, GPU-{n:08d}, NVIDIA A100, 81920, 4, {one}, 61, 535.1\n" for n, one in enumerate(busy))


def job(id_: str, state: JobState, name: str = "", gpus: str = "") -> Job:
    return Job(Spec(id_, ["true"], "gpu1", 1.0, name), State(state, id_, node="n", gpus=gpus), "gpu1")


def gpu(index: int, *processes: GpuProcess) -> Gpu:
    return Gpu(index, f"GPU-{index}", "A100", 81920, 40960, 50, 61, processes=processes)


HOSTILE = "\x1b]52;c;x\x07\u202eevil"
PICTURE = Picture(
    "gpu1",
    WATCHED,
    jobs={
        one.id: one
        for one in (
            job("bcdfg234", JobState.RUNNING, "train", "0"),
            job("mnpqr567", JobState.PENDING, HOSTILE),
            job("z2222222", JobState.RUNNING, "", "1"),
            job("y3333333", JobState.RUNNING, "cpu"),
        )
    },
    line={"gpu": ("mnpqr567", "z2222222-7")},
    gpus=Gpus((gpu(0, GpuProcess(7, "bob", 9, f"/x/{HOSTILE}"), GpuProcess(8, "ada", 5, "python")), gpu(1), gpu(2)),
              {8: "bcdfg234"}),
    host=Host(3.25, 64, 512 << 20, 384 << 20, 1 << 30, 1 << 29),
    node="n",
)  # fmt: skip


def test_who_has_a_gpu_is_a_job_by_its_process_or_by_its_lock_or_a_stranger() -> None:
    assert PICTURE.gpus is not None
    found = [[(one.job, one.pid) for one in users(PICTURE, card)] for card in PICTURE.gpus.gpus]
    assert found == [[("bcdfg234", 8), ("", 7)], [("z2222222", None)], []]


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("rich", [True, False])
def test_no_line_is_wider_than_the_screen_and_nothing_hostile_gets_through(columns: int, rich: bool) -> None:
    lines = lines_of(PICTURE, 0, columns, rich)
    assert all(width(line) <= columns for line in lines)
    assert all(line.isprintable() for line in lines)
    assert rich or all(line.isascii() or "…" in line for line in lines)


def test_a_box_says_its_load_its_gpus_and_who_waits() -> None:
    lines = lines_of(PICTURE, 0, 120, False)
    assert lines[0].split("   ") == [
        "gpu1  load 3.2 of 64", "memory 128 GiB of 512 GiB", "disk 512 GiB free", "3 running, 1 waiting"
    ]  # fmt: skip
    assert "[#####     ]  50% [#####     ] 40.0/80.0 GiB  61C  train (bcdfg234), bob 7" in lines[1]
    assert lines[2].endswith("  z2222222")
    assert lines[3].endswith("  free")
    assert lines[4] == "  also running: cpu (y3333333)"
    assert lines[5].startswith("  in line for GPUs: 1 ")
    assert lines[5].endswith(", 2 z2222222-7")


def test_a_box_that_is_lost_says_so_and_is_shown_as_it_was() -> None:
    import msgspec

    lost = msgspec.structs.replace(PICTURE, connection=LOST, reason="gpu1: no route", since=10.0, now=1)
    lines = lines_of(lost, 22.0, 100, False)
    assert lines[0] == "gpu1  no connection for 12s, shown as it was; trying again: no route"
    assert len(lines) == len(lines_of(PICTURE, 22.0, 100, False))
    assert lines_of(Picture("gpu2"), 0, 80, False) == ["gpu2  connecting"]


def test_what_does_not_fit_is_counted() -> None:
    blocks = [[f"{name}{number}" for number in range(4)] for name in "abcd"]
    assert len(fit(blocks, 80, 16)) == 16
    assert fit(blocks, 80, 15)[-1].startswith("1 more box is hidden")
    assert fit(blocks, 80, 9) == [
        *blocks[0],
        *blocks[1],
        "2 more boxes are hidden: a larger window, or only some: --on BOX",
    ]
    assert fit(blocks[:1], 80, 3) == ["a0", "  3 more lines of it are hidden"]
    for room in range(1, 20):
        assert 0 < len(fit(blocks, 80, room)) <= room


def test_a_bar_is_as_long_as_its_share() -> None:
    assert [bar(share, False).count("#") for share in (None, 0, 0.04, 0.5, 1, 7)] == [0, 0, 0, 5, 10, 10]
    assert bar(0.55, True) == "▕█████▌    ▏"


def test_top_of_real_boxes(laptop: Laptop, fresh_box: Box, gpu1: Box, sit_down: Sit) -> None:
    laptop.add(fresh_box)
    laptop.add(gpu1)
    laptop.add(gpu1, alias="dead", options=("HostName 127.0.0.1", "Port 9"), known=False)
    fresh_box.install("nvidia-smi", SMI)
    fresh_box.write("~/cards", cards(0, 30))
    holder = start(laptop, "fresh", "until [ -e ~/go ]; do sleep 0.1; done", options=("--gpus", "1", "-n", "holder"))
    until(fresh_box, holder, "RUNNING")
    wider = start(laptop, "fresh", "true", options=("--gpus", "2", "-n", "wider"))
    until(fresh_box, wider, "queue")
    stranger = fresh_box.sh("nohup sleep 300 >/dev/null 2>&1 & echo $!", user="root").stdout.strip()
    fresh_box.write("~/apps", f"GPU-00000001, {stranger}, 4, python\n")

    ran = laptop.run("top", "--json", "--on", "fresh", "--on", "gpu1", "--on", "dead", check=False)
    assert ran.returncode == 69
    told = {one["box"]: one for one in map(json.loads, ran.stdout.splitlines())}
    assert told["dead"]["connection"] == "lost"
    assert told["dead"]["error"]
    assert (told["gpu1"]["gpus"], told["gpu1"]["error"]) == ([], None)
    assert told["gpu1"]["memory_mib"] > 0
    one = told["fresh"]
    assert one["line"] == {"gpu": [wider], "cpu": []}
    assert [[(user["job"], user["user"]) for user in card["users"]] for card in one["gpus"]] == [
        [(holder, "")],
        [(None, "root")],
    ]
    assert (one["running"], one["waiting"]) == (1, 1)

    terminal = sit_down("top", "--on", "fresh", "--on", "dead", env={"NO_COLOR": "1"})
    terminal.shows(f"holder ({holder})")
    terminal.shows(f"root {stranger} python")
    terminal.shows(f"in line for GPUs: 1 wider ({wider})")
    terminal.shows("no connection for")
    assert b"\x1b[31m" not in terminal.seen
    fresh_box.write("~/cards", cards(97, 30))
    terminal.shows("97%")
    fresh_box.write("~/go", "")
    terminal.shows("0 running, 1 waiting")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ends() == 0
    wait_for(lambda: not fresh_box.processes(r"watch(_gpus)?\.sh"), 10, "the end of the watch on the box")


def test_a_process_of_a_job_is_found_by_its_environment(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", SMI)
    fresh_box.write("~/cards", cards(50))
    job = start(laptop, "fresh", "echo $$ >~/pid; until [ -e ~/go ]; do sleep 0.1; done")
    until(fresh_box, job, "RUNNING")
    wait_for(lambda: fresh_box.path("~/pid").exists() and fresh_box.path("~/pid").read_text(), 10, "the job's pid")
    fresh_box.write("~/apps", f"GPU-00000000, {fresh_box.path('~/pid').read_text().strip()}, 500, sh\n")
    [card] = json.loads(laptop.run("top", "--json", "--on", "fresh").stdout)["gpus"]
    assert [(user["job"], user["user"], user["memory_mib"]) for user in card["users"]] == [(job, fresh_box.user, 500)]
    assert f"{job}" in laptop.run("top", "--once", "--on", "fresh").stdout
    fresh_box.write("~/go", "")


def test_a_driver_that_hangs_keeps_nobody_from_the_rest(
    laptop: Laptop, fresh_box: Box, sit_down: Callable[..., Sit]
) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", "sleep 600\n")
    job = start(laptop, "fresh", "sleep 20", options=("-n", "long"))
    terminal = sit_down("ps", "-w", "--on", "fresh")
    terminal.shows("RUNNING")  # type: ignore[attr-defined]
    top = sit_down("top", "--on", "fresh")
    top.shows("1 running")  # type: ignore[attr-defined]
    laptop.run("cancel", job)
