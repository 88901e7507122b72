"""The demo's training script: it must really learn, and print the same numbers for the same seed."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import mlsh.demo
from mlsh.demo.plot import read_curve

SCRIPT = Path(mlsh.demo.__file__).with_name("train.py")


def train(*arguments: str) -> str:
    argv = [sys.executable, str(SCRIPT), "--seconds", "0", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_loss_falls_on_points_that_it_never_saw() -> None:
    held_out = read_curve(train(), "val_loss")
    assert [step for step, _ in held_out] == list(range(10, 301, 10))
    assert held_out[-1][1] < held_out[0][1] / 4


def test_the_same_seed_prints_the_same_numbers() -> None:
    assert train("--steps", "40") == train("--steps", "40")


def test_another_seed_prints_other_numbers() -> None:
    assert read_curve(train("--steps", "40")) != read_curve(train("--steps", "40", "--seed", "8"))


def test_a_step_count_that_is_no_multiple_of_ten_still_reports_its_end() -> None:
    assert read_curve(train("--steps", "25"))[-1][0] == 25


def test_it_takes_as_long_as_asked() -> None:
    argv = [sys.executable, str(SCRIPT), "--seconds", "1.5", "--steps", "10"]
    began = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    assert time.monotonic() - began >= 1.5


def test_a_terminal_gets_a_bar_and_the_same_losses() -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, str(SCRIPT), "--seconds", "0", "--steps", "20"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not chunk:
                break
            shown += chunk
    os.close(ours)
    assert child.returncode == 0
    assert b"\r[########################] 100 % 20/20" in shown
    assert read_curve(shown.decode()) == read_curve(train("--steps", "20"))
