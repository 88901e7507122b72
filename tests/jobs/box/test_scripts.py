"""The scripts that run on boxes: whole flows under each `sh` that boxes have. `install.sh test` runs shellcheck."""

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import asked, folder, log, start, state, until, until_says

SHELLS = {"dash": "/bin/dash", "bash": "/bin/bash", "busybox": "/usr/bin/busybox"}


@pytest.mark.parametrize("sh", SHELLS)
def test_a_jobs_whole_life_under_every_sh(laptop: Laptop, fresh_box: Box, sh: str) -> None:
    laptop.add(fresh_box)
    fresh_box.sh(f"ln -sf {SHELLS[sh]} /bin/sh && ln -sf {SHELLS[sh]} /usr/local/bin/sh", user="root")
    project = laptop.project({"train.py": "print('trained')\n", "uv.lock": "1"})
    env = {"TOKEN": "s3 cr'et\n$x"}

    words = ("run", "--on", "fresh", "--secret", "TOKEN", "--env", "A=b 'c\n\"", "--setup", "echo made >made")
    script = 'cat train.py made; printf "%s|%s" "$TOKEN" "$A"; exit 7'
    for _ in range(2):
        ran = laptop.run(*words, "--", "sh", "-c", script, cwd=project, env=env, check=False)
        assert ran.returncode == 7, ran.stderr
        said = ran.stdout.replace("\r\n", "\n")
        assert said.endswith("print('trained')\nmade\ns3 cr'et\n$x|b 'c\n\""), said
    assert "taking over what the setup made" in said

    held = start(laptop, "fresh", "trap '' INT; echo up; setsid sleep 98751 & sleep 98752")
    until_says(fresh_box, held, "up")
    assert held in laptop.run("ps", "--on", "fresh").stdout
    follower = laptop.spawn("logs", "-f", held)
    laptop.run("cancel", "--grace", "0", held)
    assert follower.wait(20) == 130
    assert fresh_box.processes("^sleep 9875") == []

    timed = laptop.run("run", "--on", "fresh", "--no-code", "--time", "1s", "--grace", "1s", "--", "sleep", "98753",
                       check=False)  # fmt: skip
    assert timed.returncode == 124
    left = laptop.run("run", "--on", "fresh", "--no-code", "--", "sh", "-c", "setsid sleep 98754 & echo done")
    assert "mlsh: 1 of its processes still ran" in left.stdout
    assert fresh_box.processes("^sleep 9875") == []

    killed = start(laptop, "fresh", "echo up; sleep 98755")
    until_says(fresh_box, killed, "up")
    fresh_box.sh(f"kill -9 {state(fresh_box, killed)['runner']}")
    wait_for(lambda: asked(laptop, killed)["state"] == "LOST", 10, "LOST")
    laptop.run("cancel", killed)

    laptop.run("rm", "-y", held, killed)
    assert not folder(fresh_box, held).exists()
    laptop.run("prune", "-y", "--on", "fresh")
    last = start(laptop, "fresh", "echo still fine")
    until(fresh_box, last, "SUCCEEDED")
    assert log(fresh_box, last) == "still fine\n"
