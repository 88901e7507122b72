"""`mlsh run --on any` and `--on GROUP` on real boxes."""

import time
from collections.abc import Callable

from tests.bed import Box, Laptop
from tests.jobs.life import start, until
from tests.queue.fake_gpus import compute, fit


def group(laptop: Laptop, *boxes: str) -> None:
    folder = laptop.home / ".config/mlsh"
    folder.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f'"{box}"' for box in boxes)
    (folder / "config.toml").write_text(f"[groups]\nlab = [{listed}]\n")


def run(laptop: Laptop, *options: str, on: str = "lab", command: str = "sleep 60") -> tuple[str, str, int]:
    ran = laptop.run("run", "--on", on, "-d", "--no-code", *options, "sh", "-c", command, check=False)
    return ran.stdout.strip(), ran.stderr, ran.returncode


def test_the_first_box_with_room_then_the_one_that_is_free_first_and_the_choice_is_said(
    laptop: Laptop, many_boxes: Callable[[int], list[Box]]
) -> None:
    small, big, dead = boxes = many_boxes(3)
    for box in boxes:
        laptop.add(box)
    fit(small, 1)
    fit(big, 2)
    group(laptop, "box1", "box2", "box3")
    assert laptop.run("ps", "--on", "lab").stderr == "mlsh: no jobs since yesterday on box1, box2, box3\n"
    told = laptop.run("top", "--on", "lab", "--once").stdout
    assert {line.split()[0] for line in told.splitlines() if line.startswith("box")} == {"box1", "box2", "box3"}
    dead.blackhole(True)

    began = time.monotonic()
    first, said, _ = run(laptop, "--gpus", "1", "--time", "1h")
    assert time.monotonic() - began < 12
    assert "box1: 1 of 1 GPU free" in said
    assert "box3: " in said
    dead.blackhole(False)  # each look at the boxes would wait for it
    until(small, first, "RUNNING")
    second, said, _ = run(laptop, "--gpus", "2", "--time", "10m")
    assert "box2: 2 of 2 GPUs free (box1: it has 1 GPU" in said
    until(big, second, "RUNNING")
    third, said, _ = run(laptop, "--gpus", "1")
    assert "box2: 0 of 2 GPUs free, about " in said
    assert "where it is expected to begin first" in said
    until(big, third, "queue")
    dry = laptop.run("run", "--on", "lab", "--dry-run", "--no-code", "--gpus", "1", "true")
    assert "1 waits in line" in dry.stderr
    assert "ssh box" in dry.stdout

    dead.blackhole(True)
    refused, said, code = run(laptop, "--gpus", "8")
    assert (refused, code) == ("", 71)
    assert all(f"box{number}: " in said for number in (1, 2, 3))
    assert "--on BOX" in said
    dead.blackhole(False)
    laptop.run("drain", "box2")
    fourth, said, _ = run(laptop, "--gpus", "1")
    assert "box2: drained: by ada@" in said
    until(small, fourth, "queue")


def test_any_is_where_jobs_were_launched_and_never_a_host_of_that_name_unsaid(laptop: Laptop, gpu1: Box) -> None:
    nothing, said, code = run(laptop, on="any")
    assert (nothing, code) == ("", 2)
    assert "[groups]" in said
    laptop.add(gpu1)
    start(laptop, "gpu1", "true")
    start(laptop, "local", "true")
    laptop.add(gpu1, alias="any")
    job, said, _ = run(laptop, on="any", command="true")
    assert "not the Host any of your ssh config" in said
    assert "gpu1: load " in said
    assert "local" not in said
    until(gpu1, job, "SUCCEEDED")


def test_a_stranger_on_a_gpu_is_no_room(laptop: Laptop, gpu1: Box, gpu2: Box) -> None:
    for box in (gpu1, gpu2):
        laptop.add(box)
        fit(box, 1)
    group(laptop, "gpu1", "gpu2")
    compute(gpu1, 0)
    job, said, _ = run(laptop, "--gpus", "1", command="true")
    assert "gpu2: 1 of 1 GPU free (gpu1: 0 of 1 GPU free)" in said
    until(gpu2, job, "SUCCEEDED")


def test_a_project_may_name_groups_of_boxes_that_you_have_and_no_others(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    project = laptop.project({"mlsh.toml": '[groups]\nteam = ["gpu1"]\nthem = ["evil.example.com"]\n', "src/a.py": ""})
    ran = laptop.run("run", "--on", "team", "-d", "true", cwd=project / "src")
    assert "gpu1: load " in ran.stderr
    refused = laptop.run("run", "--on", "them", "-d", "true", cwd=project, check=False)
    assert (refused.returncode, "evil.example.com, which is no Host" in refused.stderr) == (78, True)
    (project / "mlsh.toml").write_text("grops = 1\n")
    broken = laptop.run("run", "--on", "team", "-d", "true", cwd=project, check=False)
    assert (broken.returncode, "there is no setting `grops`" in broken.stderr) == (78, True)
