"""The demo of bisect, from end to end."""

import subprocess
from pathlib import Path

from tests.demo.test_story import demo, home

__all__ = ["home"]


def test_a_flaky_test_leads_to_the_commit_that_broke_it(home: dict[str, str], tmp_path: Path) -> None:
    told = subprocess.run(
        demo("bisect"), env=home, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
    )
    assert told.returncode == 0, told.stderr + told.stdout
    assert "is the first bad commit, 9" in told.stdout
    assert "subject:     Warm up the loss" in told.stdout
    assert "answers were false" in told.stdout
    assert not list(Path(home["TMPDIR"]).glob("mlsh-demo-*"))
