"""The errors of the scripts on a box, as a person reads them."""

import pytest

from mlsh.box import open_box
from mlsh.jobs.onbox import OnBox


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("disk-full the disk of /home/a/.mlsh/jobs/.bcdfg234.4711 is full", "the disk of /home/a/.mlsh is full"),
        ("disk-full the disk of /jobs/a/.mlsh/repos/tiny.git is full", "the disk of /jobs/a/.mlsh is full"),
        (
            "no-write /s/.mlsh/jobs can't be written to: Permission denied",
            "/s/.mlsh can't be written to: Permission denied",
        ),
        ("read-only /s/.mlsh is on a read-only file system", "/s/.mlsh is on a read-only file system"),
    ],
)
def test_a_disk_without_room_is_named_by_the_folder_of_mlsh(said: str, shown: str) -> None:
    error = OnBox(open_box("local")).error(f"mlsh-error {said}\n".encode())
    assert error.what == f"local: {shown}"
