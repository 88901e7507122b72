"""A job that is to be started again is, after a real reboot: by cron, by systemd, or when mlsh next looks."""

import json
import shlex
import time

import pytest

from tests.bed import Box, Laptop
from tests.jobs.life import asked, log, start, state, until, until_says
from tests.queue.fake_gpus import fit

CRONTAB = """
table=/home/alice/crontab
case $1 in
-l) [ -e $table ] || { echo 'no crontab for alice' >&2; exit 1; }; cat $table ;;
-r) rm -f $table ;;
*) cat "$1" >$table ;;
esac
"""
THEIRS = "MAILTO=ada@example.org\n# backups\n*/5 * * * * ~/bin/backup --dest='x y' # every 5 %\n\n@reboot   echo mine"
SYSTEMCTL = """
echo "systemctl $*" >>/home/alice/asked
case "$*" in
*enable*) ln -sf ../mlsh-resume.service /home/alice/wanted ;;
*disable*) rm -f /home/alice/wanted ;;
esac
"""
LOGINCTL = "echo yes"


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    fresh_box.install("systemctl", "exit 1")
    return fresh_box


def with_cron(box: Box) -> None:
    box.install("crontab", CRONTAB)
    box.install("cron", "sleep 1000")
    box.sh("setsid cron >/dev/null 2>&1 </dev/null &")
    box.sh("until grep -qsx cron /proc/[0-9]*/comm; do sleep 0.05; done")


def boot_by_cron(box: Box) -> None:
    """Reboot, and do what cron would: our @reboot line, through sh, with next to no environment."""
    box.reboot()
    lines = [line for line in box.path("~/crontab").read_text().splitlines() if "mlsh" in line]
    assert len(lines) == 1
    command = shlex.quote(lines[0].removeprefix("@reboot "))
    box.sh(f"env -i HOME=/home/alice LOGNAME=alice SHELL=/bin/sh PATH=/usr/bin:/bin sh -c {command} </dev/null")


def test_cron_starts_it_again_with_a_line_among_those_of_the_person_which_prune_takes_away(
    laptop: Laptop, box: Box
) -> None:
    with_cron(box)
    box.write("~/crontab", THEIRS)
    ran = laptop.run(
        "run", "--on", "fresh", "-d", "--no-code", "--restart", "always", "sh", "-c", "echo begun; sleep 60"
    )
    job = ran.stdout.strip()
    assert "a line in your crontab there" in ran.stderr
    table = box.path("~/crontab").read_text()
    assert table.startswith(THEIRS + "\n@reboot sh /home/alice/.mlsh/nodes/fresh.resume")
    again = laptop.run("run", "--on", "fresh", "-d", "--no-code", "--restart", "always", "sleep", "60")
    assert "crontab" not in again.stderr
    assert box.path("~/crontab").read_text() == table
    waits = start(laptop, "fresh", "true", options=("--begin", "1h"))
    until_says(box, job, "begun")
    assert asked(laptop, job)["comes_back"] == "cron"
    assert "a line in the crontab" in laptop.run("show", job).stdout
    listed = [json.loads(line) for line in laptop.run("ps", "--json", "--on", "fresh").stdout.splitlines()]
    assert {one["comes_back"] for one in listed} == {"cron"}

    # Scripts of this version may go when a later one is there; the line names none.
    laptop.run("prune", "--on", "fresh", "-y")
    assert box.path("~/crontab").read_text() == table
    boot_by_cron(box)
    until_says(box, job, "the box rebooted; started again (attempt 2)")
    until(box, job, "RUNNING")
    assert until(box, waits, "begin")["boot"] == box.boot_id()

    laptop.run("cancel", "--grace", "0", job, again.stdout.strip(), waits)
    laptop.run("prune", "--on", "fresh", "-y")
    assert box.path("~/crontab").read_text() == THEIRS + "\n"
    assert not list(box.path("~/.mlsh/nodes").glob("fresh.resume"))


def test_a_crontab_that_can_not_be_read_is_left_alone(laptop: Laptop, box: Box) -> None:
    with_cron(box)
    box.write("~/crontab", THEIRS)
    broken = CRONTAB.replace("-l)", "-l) echo 'crontab: cannot open: Input/output error' >&2; exit 1;;\n-l)")
    box.install("crontab", broken)
    ran = laptop.run("run", "--on", "fresh", "-d", "--no-code", "--restart", "always", "sleep", "60")
    assert "when mlsh next looks" in ran.stderr
    assert box.path("~/crontab").read_text() == THEIRS


def test_no_crontab_yet_is_made_one_and_taken_away_whole(laptop: Laptop, box: Box) -> None:
    with_cron(box)
    job = start(laptop, "fresh", "sleep 60", options=("--restart", "on-failure"))
    assert box.path("~/crontab").read_text().count("\n") == 1
    laptop.run("cancel", "--grace", "0", job)
    laptop.run("prune", "--on", "fresh", "-y")
    assert not box.path("~/crontab").exists()


def test_a_user_unit_where_systemd_runs_without_a_login(laptop: Laptop, box: Box) -> None:
    with_cron(box)
    box.install("systemctl", SYSTEMCTL)
    box.install("loginctl", LOGINCTL)
    job = start(laptop, "fresh", "echo begun; sleep 60", options=("--restart", "always"))
    until_says(box, job, "begun")
    assert asked(laptop, job)["comes_back"] == "systemd"
    assert not box.path("~/crontab").exists()
    unit = box.path("~/.config/systemd/user/mlsh-resume.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    box.reboot()
    box.sh(f"env -i HOME=/home/alice PATH=/usr/bin:/bin {command.replace('%H', 'fresh')}")
    until_says(box, job, "started again (attempt 2)")
    laptop.run("cancel", "--grace", "0", job)
    laptop.run("prune", "--on", "fresh", "-y")
    assert not box.path("~/.config/systemd/user/mlsh-resume.service").exists()
    assert "disable mlsh-resume.service" in box.path("~/asked").read_text()


def test_without_either_it_comes_back_when_mlsh_next_looks(laptop: Laptop, box: Box) -> None:
    job = start(laptop, "fresh", "echo begun; sleep 60", options=("--restart", "on-failure"))
    once = start(laptop, "fresh", "sleep 60")
    until_says(box, job, "begun")
    assert asked(laptop, job)["comes_back"] == "contact"
    assert asked(laptop, once)["comes_back"] is None
    box.reboot()
    time.sleep(1)
    assert state(box, job)["boot"] != box.boot_id()
    laptop.run("ps", "--on", "fresh")
    until_says(box, job, "started again (attempt 2)")
    assert log(box, job).count("begun") >= 1
    assert asked(laptop, once)["state"] == "LOST"


def test_a_clock_that_is_an_hour_off_does_not_change_when_a_job_begins(laptop: Laptop, box: Box) -> None:
    for shift in ("1 hour", "1 hour ago"):
        box.install("date", f"exec /usr/bin/date -d '{shift}' \"$@\"")
        began = time.monotonic()
        job = start(laptop, "fresh", "true", options=("--begin", "4s"))
        until(box, job, "begin")
        until(box, job, "SUCCEEDED")
        assert 3 <= time.monotonic() - began < 15


def test_a_box_that_is_all_busybox_holds_tells_of_its_room_and_gets_its_line(laptop: Laptop, box: Box) -> None:
    fit(box, 2)
    with_cron(box)
    box.busybox_userland()
    (laptop.home / "mlsh.toml").write_text('[groups]\nlab = ["fresh"]\n')
    serve = start(laptop, "lab", "sleep 60", options=("--gpus", "1", "--restart", "always"))
    until(box, serve, "RUNNING")
    ran = laptop.run("run", "--on", "lab", "-d", "--no-code", "--gpus", "2", "true")
    assert "fresh: 1 of 2 GPUs free, about 1d 00h" in ran.stderr
    waits = ran.stdout.strip()
    until(box, waits, "queue")
    passes = start(laptop, "fresh", "true", options=("--gpus", "1"))
    laptop.run("hold", waits)
    until(box, passes, "SUCCEEDED")
    assert asked(laptop, serve)["comes_back"] == "cron"
    laptop.run("cancel", "--grace", "0", serve, waits)
    laptop.run("prune", "-y", "--on", "fresh")
    assert not box.path("~/crontab").exists()


def test_a_job_that_waited_on_a_busybox_waits_again_after_a_reboot(laptop: Laptop, box: Box) -> None:
    fit(box, 1)
    box.busybox_userland()
    ran = start(laptop, "fresh", "sleep 1000", options=("--gpus", "1"))
    waited = start(laptop, "fresh", "echo ran", options=("--gpus", "1"))
    until(box, ran, "RUNNING")
    until(box, waited, "queue")
    box.reboot()
    assert asked(laptop, ran)["state"] == "LOST"
    # The look starts it again.
    laptop.run("ps", "--on", "fresh")
    until(box, waited, "SUCCEEDED")
