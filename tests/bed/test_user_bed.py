"""Without the right to make namespaces there are boxes too; and in CI what they can't do is a failure, not a skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bed import requirements

ROOT = Path(__file__).resolve().parents[2]
SOME = "reaches or hidden or installed or stopped or option or killed or reset or blackhole or latency or clean"


def run_without_rights(selection: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a part of test_bed.py as a process that may not mount."""
    requirements.need("setpriv")
    drop = ["setpriv", "--bounding-set=-sys_admin"] if os.geteuid() == 0 else []
    argv = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/bed/test_bed.py"]
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [*drop, *argv, "-k", selection],
        cwd=ROOT,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_an_ordinary_user_has_boxes_too() -> None:
    done = run_without_rights(SOME)
    assert done.returncode == 0, done.stdout
    assert "11 passed, 2 skipped" in done.stdout


def test_in_ci_nothing_is_skipped() -> None:
    assert "1 skipped" in run_without_rights("full_disk").stdout
    in_ci = run_without_rights("full_disk", CI="true")
    assert in_ci.returncode == 1
    assert "run the tests as root" in in_ci.stdout


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "SYSTEM_PATH", "/nowhere")
    with pytest.raises(pytest.fail.Exception, match=r"`sshd`, `ss`: type `apt-get install iproute2 openssh-server`"):
        requirements.need("sshd", "ss")
