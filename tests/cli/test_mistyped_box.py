"""A box that was certainly not reached leaves nothing behind, and the hint is about what is wrong with it."""

import pytest

from mlsh.errors import ExitCode
from tests.bed import Box, Laptop


def test_a_box_that_does_not_exist_is_never_asked_again(laptop: Laptop) -> None:
    ran = laptop.run("run", "--on", "nosuch", "--no-code", "--", "true", check=False)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert "mlsh box list" in ran.stderr
    assert "may have started" not in ran.stderr
    listed = laptop.run("ps")
    assert "nosuch" not in listed.stdout + listed.stderr
    assert laptop.run("logs", "@", check=False).returncode == ExitCode.NOT_FOUND


def test_in_a_folder_that_is_not_sent_a_mistyped_box_is_named_first(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    ran = laptop.run("run", "--on", "gpu11", "--", "true", cwd=laptop.home, check=False)
    assert ran.returncode == ExitCode.UNREACHABLE
    assert "gpu11: no such host" in ran.stderr
    assert "home folder" not in ran.stderr
    for box in ("gpu1", "local"):
        ran = laptop.run("run", "--on", box, "--", "true", cwd=laptop.home, check=False)
        assert ran.returncode == ExitCode.REFUSED
        assert "is your home folder" in ran.stderr


def test_a_box_that_refuses_the_key_has_no_job_of_ours(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1, alias="stranger", authorize=False)
    ran = laptop.run("run", "--on", "stranger", "--no-code", "--", "true", check=False)
    assert ran.returncode == ExitCode.LOGIN_REFUSED
    assert "ssh-copy-id stranger" in ran.stderr
    assert laptop.run("ps").returncode == 0


def test_a_launch_whose_answer_is_lost_may_have_started_and_stays_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlsh.box import open_box
    from mlsh.box.process import Ran
    from mlsh.errors import Unreachable
    from mlsh.jobs.attempt import Attempt

    attempt = Attempt(open_box("local"))
    monkeypatch.setattr(type(attempt.box), "run", lambda *_, **__: Ran((), 0, b"mlsh-reply 1\nneed c\nend\n", b""))
    attempt.call("launch", "id")
    assert not attempt.may_have_begun

    def broken(*_: object, **__: object) -> Ran:
        raise Unreachable("gpu1", "no answer within 30 s")

    monkeypatch.setattr(type(attempt.box), "run", broken)
    with pytest.raises(Unreachable):
        attempt.call("receive", "x")
    assert not attempt.may_have_begun
    with pytest.raises(Unreachable):
        attempt.call("launch", "id")
    assert attempt.may_have_begun
