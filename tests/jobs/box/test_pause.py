"""How long the box waits before it runs a command again, by the function that decides it, under each `sh`."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "mlsh/jobs/box/pause.sh"
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])


def waits(sh: list[str], delay_s: int, lived_s: list[int]) -> list[int]:
    """The wait after each attempt, for attempts that ran for so long."""
    calls = "\n".join(f'next_pause {delay_s} {lived} "${{pause:-}}"; echo "$pause"' for lived in lived_s)
    ran = subprocess.run([*sh, "-c", f". {SCRIPT}\n{calls}"], stdout=subprocess.PIPE, text=True, check=True)
    return [int(line) for line in ran.stdout.split()]


@pytest.mark.parametrize("sh", SHELLS, ids=lambda sh: sh[0])
def test_a_command_that_ends_at_once_is_not_all_that_the_box_does(sh: list[str]) -> None:
    assert waits(sh, 0, [0] * 12) == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert waits(sh, 10, [0] * 7) == [10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("sh", SHELLS, ids=lambda sh: sh[0])
def test_after_a_run_that_was_well_it_is_back_soon(sh: list[str]) -> None:
    assert waits(sh, 0, [0, 0, 0, 599, 600, 0, 0]) == [0, 1, 2, 4, 0, 1, 2]


@pytest.mark.parametrize("sh", SHELLS, ids=lambda sh: sh[0])
def test_a_long_wait_that_was_asked_for_does_not_become_shorter(sh: list[str]) -> None:
    assert waits(sh, 3600, [0, 0, 0]) == [3600, 3600, 3600]
