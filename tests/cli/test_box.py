"""`mlsh box` as a person and as a script use it: real processes, real boxes."""

import json
import time
from collections.abc import Callable

import pytest

from tests.bed import Box, Laptop

NVIDIA_SMI = """\
case $* in
*query-gpu*) echo '0, GPU-1, NVIDIA H200, 143771, 9000, 93, 30, 550.54.15';;
*query-compute*) echo 'GPU-1, 1, 8192, python';;
esac
"""


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# list


def test_the_list_says_which_boxes_there_are_and_where_they_are_defined(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    said = laptop.run("box", "list")
    assert said.stdout.splitlines()[1:] == ["local  this machine", "gpu1   ~/.ssh/config:1"]
    assert said.stderr == ""


def test_the_plain_list_is_for_pipes(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    assert laptop.run("box", "list", "--plain").stdout == "local\ngpu1\n"


def test_the_list_as_json_with_what_ssh_makes_of_each(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    local, box = objects(laptop.run("box", "list", "--json", "--resolve").stdout)
    assert local["box"] == "local"
    assert (box["hostname"], box["user"], box["port"]) == (gpu1.host, gpu1.user, gpu1.port)
    assert box["line"] == 1


def test_the_list_starts_no_ssh_unless_asked(laptop: Laptop) -> None:
    assert "+ ssh" not in laptop.run("box", "list", "--explain").stderr


def test_the_list_and_show_say_which_boxes_are_drained(laptop: Laptop, many_boxes: Callable[[int], list[Box]]) -> None:
    for box in many_boxes(2):
        laptop.add(box)
    laptop.run("drain", "box1", "--reason", "new \x1b[31mdisks, until 6")
    # A connection to it is open now, and to the other one there is none.
    listed = {one["box"]: one["drained"] for one in objects(laptop.run("box", "list", "--json").stdout)}
    assert listed == {"local": "", "box1": "new \x1b[31mdisks, until 6", "box2": None}
    rows = laptop.run("box", "list").stdout.splitlines()
    assert rows[0].split() == ["BOX", "DEFINED", "DRAINED"]
    assert rows[2].endswith("disks, until 6")
    assert "\x1b" not in rows[2]
    asked = objects(laptop.run("box", "list", "--ask", "--json").stdout)
    assert [one["drained"] for one in asked] == ["", "new \x1b[31mdisks, until 6", ""]
    told = laptop.run("box", "show", "box1").stdout
    assert "disks, until 6: no job of yours begins there" in told
    assert "\x1b" not in told
    (shown,) = objects(laptop.run("box", "show", "box1", "--json").stdout)
    assert shown["drained"] == shown["facts"]["drained"] == "new \x1b[31mdisks, until 6"
    laptop.run("drain", "box1", "--off")
    assert "DRAINED" not in laptop.run("box", "list").stdout
    assert "drained" not in laptop.run("box", "show", "box1").stdout


def test_a_list_that_asks_names_the_box_that_is_dead(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.stop_sshd()
    said = laptop.run("box", "list", "--ask")
    assert "nothing listens for ssh" in said.stderr
    assert "fresh" in said.stdout


def test_a_name_that_would_paint_the_terminal_is_no_box(laptop: Laptop) -> None:
    laptop.ssh_config.write_text("Host a\x1b]0;owned\x07\nHost b\n")
    assert laptop.run("box", "list", "--plain").stdout == "local\nb\n"


# show


def test_show_tells_the_way_and_what_is_there(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    said = laptop.run("box", "show", "gpu1").stdout
    assert gpu1.host in said
    assert "~/.ssh/config:1" in said
    assert "tmux 3" in said


def test_show_of_a_dead_box_still_tells_the_way(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.stop_sshd()
    said = laptop.run("box", "show", "fresh", check=False)
    assert said.returncode == 69
    assert fresh_box.host in said.stdout
    assert "nothing listens for ssh" in said.stderr
    again = laptop.run("box", "show", "fresh", "--json", check=False)
    assert "nothing listens" in again.stderr
    (fields,) = objects(again.stdout)
    assert fields["facts"] is None
    assert "nothing listens" in fields["error"]


def test_show_as_json(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    (fields,) = objects(laptop.run("box", "show", "gpu1", "--json").stdout)
    assert fields["facts"]["node"] == "gpu1"
    assert fields["facts"]["disks"]["home"]["total_kib"] > 0
    assert fields["error"] is None


# doctor


def test_the_doctor_of_this_machine_needs_no_name(laptop: Laptop) -> None:
    said = laptop.run("box", "doctor")
    assert said.stdout.startswith("local\n")
    assert "✓ tmux" in said.stdout


def test_the_doctor_names_the_command_that_mends(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.hide("tmux")
    said = laptop.run("box", "doctor", "fresh", "-q", check=False)
    assert said.returncode == 71
    assert "✗ tmux" in said.stdout
    assert "apt-get install tmux" in said.stdout
    assert "✓" not in said.stdout


def test_the_doctor_speaks_ascii_where_nothing_else_is_safe(laptop: Laptop) -> None:
    said = laptop.run("box", "doctor", env={"LANG": "C", "NO_COLOR": "1"}).stdout
    assert said.isascii()
    assert "ok   tmux" in said


def test_a_dead_box_beside_live_ones_delays_nobody(many_boxes: Callable[[int], list[Box]], laptop: Laptop) -> None:
    dead, *alive = boxes = many_boxes(3)
    for box in boxes:
        laptop.add(box)
    dead.blackhole(True)
    running = laptop.spawn("box", "doctor", "--json", *(box.name for box in boxes))
    began = time.monotonic()
    assert running.stdout
    first = [json.loads(running.stdout.readline()) for _ in alive]
    took_s = time.monotonic() - began
    last = json.loads(running.stdout.readline())
    assert {answer["box"] for answer in first} == {box.name for box in alive}
    assert [found for answer in first for found in answer["findings"] if found["status"] == "fail"] == []
    assert took_s < 9
    assert (last["box"], last["status"]) == (dead.name, "fail")
    assert last["findings"][0]["check"] == "reachable"
    assert running.wait(10) == 71


def test_a_mistyped_box_gets_a_guess(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    said = laptop.run("box", "doctor", "gpu11", check=False)
    assert said.returncode == 71
    assert "did you mean the box gpu1?" in said.stderr


def test_what_a_box_prints_cannot_reach_the_terminal(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.write("~/.bashrc", r"printf 'hi\033]52;c;aGk=\007\033[2J\n'" + "\n")
    fresh_box.install("git", r"printf 'git \033[31mversion 2.39\n'")
    said = laptop.run("box", "doctor", "fresh", check=False)
    shown = laptop.run("box", "show", "fresh", check=False)
    assert "\x1b" not in said.stdout + said.stderr + shown.stdout + shown.stderr


def test_a_name_like_an_option_is_refused(laptop: Laptop) -> None:
    said = laptop.run("box", "doctor", "--", "-oProxyCommand=touch owned", check=False)
    assert said.returncode == 65
    assert not (laptop.home / "owned").exists()


# gpus


def test_gpus_and_who_computes_on_them(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", NVIDIA_SMI)
    said = laptop.run("box", "gpus", "fresh").stdout.splitlines()
    assert said[0].split() == ["BOX", "GPU", "BUSY", "MEMORY", "TEMP", "NAME"]
    assert said[1].split() == ["fresh", "0", "93%", "8.8/140.4", "GiB", "30C", "NVIDIA", "H200"]
    assert said[2].split() == ["8.0", "GiB", "1", "root", "python"]
    (fields,) = objects(laptop.run("box", "gpus", "fresh", "--json").stdout)
    assert fields["gpus"][0]["processes"] == [{"pid": 1, "user": "root", "memory_mib": 8192, "name": "python"}]


def test_a_box_without_gpus_is_no_error(gpu1: Box, laptop: Laptop) -> None:
    laptop.add(gpu1)
    said = laptop.run("box", "gpus", "gpu1")
    assert said.stdout == ""
    assert said.stderr == "mlsh: gpu1: no GPU\n"


def test_a_driver_that_fails_is_an_error_with_its_mend(fresh_box: Box, laptop: Laptop) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    said = laptop.run("box", "gpus", "fresh", check=False)
    assert said.returncode == 71
    assert "version mismatch" in said.stderr
    assert "restart the box" in said.stderr


@pytest.mark.parametrize("verb", [[], ["list"], ["show"], ["doctor"], ["gpus"]])
def test_each_has_help(laptop: Laptop, verb: list[str]) -> None:
    assert "Usage: mlsh box" in laptop.run("box", *verb, "-h").stdout
