"""Who is told what of a job by its box, with no laptop there: once, with no secret in sight, and to no job's harm."""

import json
import time

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.guards.webhook import webhook
from tests.jobs.life import folder, log, start, state, until, until_says
from tests.queue.fake_gpus import fit_amd

SECRET = "T0P-s3cret"  # noqa: S105
SHOW = "cmd:env | grep ^MLSH_ | sort >~/told-$MLSH_JOB-$MLSH_EVENT"


def told(box: Box, job: str, event: str) -> dict[str, str]:
    """What a command was told, by the file that SHOW makes."""
    path = box.path(f"~/told-{job}-{event}")
    wait_for(lambda: path.exists() and "MLSH_TEXT" in path.read_text(), 20, f"{event} of {job} to be told")
    return dict(line.partition("=")[::2] for line in path.read_text().splitlines())


def everything_on(box: Box, job: str) -> str:
    """All command lines of the box and all files of a job."""
    lines = [process.cmdline for process in box.processes()]
    lines += [path.read_bytes().decode(errors="replace") for path in folder(box, job).iterdir() if path.is_file()]
    return "\n".join(lines)


def until_told(box: Box) -> None:
    """Wait until nothing is on its way any more: what has not arrived by then never will."""
    wait_for(lambda: not box.processes("notify.sh"), 30, "the end of what tells")


@pytest.mark.parametrize("way", ["curl", "wget"])
def test_a_webhook_gets_one_post_and_its_address_stays_secret(laptop: Laptop, fresh_box: Box, way: str) -> None:
    laptop.add(fresh_box)
    if way == "wget":
        fresh_box.hide("curl")
    with webhook(fresh_box, hang_s=2) as server:
        (config := laptop.home / ".config/mlsh").mkdir(parents=True)
        (config / "config.toml").write_text(f'[notify]\nteam = "{server.url}"\n')
        options = ("-n", "big", "--notify", "end,fail,lost=team", "--notify", "start=team")
        job = start(laptop, "fresh", "sleep 1; echo 'a \"b\"'; exit 3", options=options)
        wait_for(lambda: len(server.got) == 2, 20, "both to be told")
        assert SECRET not in everything_on(fresh_box, job)
        until(fresh_box, job, "FAILED")
        until_told(fresh_box)
        began, ended = server.got
        assert (began["event"], began["state"]) == ("start", "RUNNING")
        text = f"big ({job}) on fresh: FAILED with exit code 3"
        assert ended == {
            "event": "fail", "job": job, "name": "big", "box": "fresh", "state": "FAILED", "reason": "", "exit_code": 3,
            "attempt": 1, "node": state(fresh_box, job)["node"], "text": text, "content": text,
        }  # fmt: skip
        assert all(path.startswith("/services/T0P-s3cret") for path in server.paths)
    assert SECRET not in everything_on(fresh_box, job)
    assert not (folder(fresh_box, job) / "notify").exists()
    assert SECRET not in laptop.run("show", "--json", job).stdout
    assert "could not be sent" not in log(fresh_box, job)


def test_what_a_command_is_told_is_in_its_environment_and_hostile_words_do_nothing(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    hostile = "loss: nan $(touch ~/owned) `touch ~/owned` ;touch ~/owned \\042 '\\' {} \\033]0;x\\007 %s"
    job = start(
        laptop, "gpu1", f"sleep 1; printf \"{hostile}\\n\" | cat; sleep 60".replace("$(", "\\$(").replace("`", "\\`"),
        options=("--fail-if", "loss is nan", "--notify", f"end,fail={SHOW}", "--notify", "log:/loss: n/=cmd:exit 3"),
    )  # fmt: skip
    seen = told(gpu1, job, "fail")
    assert seen["MLSH_STATE"] == "FAILED"
    assert seen["MLSH_REASON"].startswith("loss is nan: loss: nan $(touch")
    assert not set(seen["MLSH_TEXT"]) & set('"\\{}\x1b')
    assert not gpu1.path("~/owned").exists()
    assert not list(gpu1.path("~").glob("told-*-end")), "one way, one message"
    assert "MLSH_JOB_ID" not in seen


def test_a_line_of_the_log_is_told_once(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    script = "echo epoch 1; sleep 3; echo epoch 2; sleep 3"
    job = start(laptop, "gpu1", script, options=("--notify", f"log:/epoch [12]/,start={SHOW}"))
    assert told(gpu1, job, "start")["MLSH_STATE"] == "RUNNING"
    assert told(gpu1, job, "log")["MLSH_TEXT"] == f"({job}) on gpu1: its log says: epoch 1"
    until(gpu1, job, "SUCCEEDED")
    assert told(gpu1, job, "log")["MLSH_TEXT"].endswith("epoch 1")


def test_what_a_task_of_an_array_says_is_told_and_its_guard_ends_it_alone(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    script = "echo here is $MLSH_TASK_ID; [ $MLSH_TASK_ID != 2 ] || { echo loss: nan; sleep 60; }"
    options = ("--array", "1-3", "--fail-if", "loss is nan", "--notify", f"start,end,log:/is 2/={SHOW}")
    job = start(laptop, "gpu1", script, options=options)
    until(gpu1, job, "FAILED", 40)
    assert told(gpu1, job, "end")["MLSH_REASON"] == "1 of 3 tasks failed"
    assert told(gpu1, f"{job}-2", "log")["MLSH_TEXT"] == f"({job}-2) on gpu1: its log says: here is 2"
    assert len(list(gpu1.path("~").glob(f"told-{job}*"))) == 2


def test_a_notifier_that_hangs_or_fails_harms_nobody_and_is_named_once(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    with webhook(gpu1, status=500) as server:
        options = ("--notify", "start,end=cmd:sleep 1000", "--notify", f"start,end={server.url}")
        job = start(laptop, "gpu1", "sleep 2; echo done", options=options)
        began = time.monotonic()
        until(gpu1, job, "SUCCEEDED")
        assert time.monotonic() - began < 10
        until_says(gpu1, job, "could not be sent: the command took longer than 20 s", 40)
        wait_for(lambda: not gpu1.processes("sleep 1000"), 30, "the hanging command to be ended")
        wait_for(lambda: not gpu1.processes("notify.sh"), 30, "the notifier to end")
    assert log(gpu1, job).count("could not be sent") == 1
    assert state(gpu1, job)["state"] == "SUCCEEDED"
    assert len(server.got) == 2


def test_an_address_that_fails_is_named_without_its_secret(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    job = start(laptop, "gpu1", "true", options=("--notify", f"end=http://127.0.0.1:9/{SECRET}"))
    until_says(gpu1, job, "mlsh: a notification (end) could not be sent:", 20)
    assert "onnect" in log(gpu1, job)
    assert SECRET not in everything_on(gpu1, job)


def test_a_redirect_is_not_followed(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    with webhook(gpu1, status=302) as server:
        start(laptop, "gpu1", "true", options=("--notify", f"end={server.url}"))
        wait_for(lambda: server.paths, 20, "the post")
        until_told(gpu1)
        assert len(server.paths) == 1


def test_a_job_that_is_lost_is_told_once_by_whoever_finds_out(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    with webhook(gpu2) as server:
        options = ("--notify", f"lost={server.url}", "--notify", f"end={server.url}")
        job = start(laptop, "gpu2", "sleep 300", options=options)
        until(gpu2, job, "RUNNING")
        # The runner, and what would notice that it is gone: then only somebody who looks can tell.
        for pattern in ("guard.sh", "runner.sh"):
            pids = [str(process.pid) for process in gpu2.processes(pattern) if "tmux" not in process.cmdline]
            gpu2.sh(f"kill -9 {' '.join(pids)}")
        wait_for(lambda: not gpu2.processes("(guard|runner).sh"), 10, "the end of the killed")
        until_told(gpu2)
        assert server.got == []
        for _ in range(3):
            laptop.run("ps", "--on", "gpu2")
        wait_for(lambda: len(server.got) == 2, 20, "the loss to be told")
        until_told(gpu2)
        assert sorted(one["event"] for one in server.got) == ["end", "lost"]
        assert {one["state"] for one in server.got} == {"LOST"}
    assert not (folder(gpu2, job) / "notify").exists()


def test_a_job_cancelled_before_it_began_has_no_secret_left_behind(laptop: Laptop, gpu2: Box) -> None:
    laptop.add(gpu2)
    job = start(laptop, "gpu2", "true", options=("--hold", "--notify", f"end={SHOW} # {SECRET}"))
    until(gpu2, job, "hold")
    assert oct((folder(gpu2, job) / "notify").stat().st_mode & 0o777) == "0o600"
    laptop.run("cancel", job)
    assert told(gpu2, job, "end")["MLSH_STATE"] == "CANCELLED"
    assert SECRET not in everything_on(gpu2, job)


SMI = """
case "$*" in
*compute-apps*) ;;
*utilization*) date +%s >>/home/alice/asked; cat /home/alice/use ;;
*query-gpu*) for i in 0 1; do echo "$i, GPU-0000000$i, 81559, 4, Disabled"; done ;;
esac
"""


@pytest.mark.root
def test_gpus_that_a_job_holds_and_does_not_use_are_told(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    fresh_box.install("nvidia-smi", SMI)
    fresh_box.write("~/use", "GPU-00000000, 97\nGPU-00000001, 0\n")
    fit_amd(fresh_box, 2, use={1: 3})
    options = ("--gpus", "2", "--notify", f"idle-gpu:20s,idle-gpu:12h={SHOW}")
    job = start(laptop, "fresh", "sleep 300", options=options)
    amd = start(laptop, "fresh", "echo $ROCR_VISIBLE_DEVICES; sleep 300", options=options)
    until_says(fresh_box, amd, "0,1")
    text = told_late(fresh_box, job)
    assert told_late(fresh_box, amd) == text.replace(job, amd)
    assert text.endswith("1 of the 2 GPUs that your job holds are at 0 %, for 20s or more")
    asked = [int(line) for line in fresh_box.path("~/asked").read_text().split()]
    # Each job's guard has asked in turn.
    assert all(later - earlier >= 28 for earlier, later in zip(asked, asked[2:], strict=False))
    assert "at 0 %" in log(fresh_box, job)


def told_late(box: Box, job: str) -> str:
    path = box.path(f"~/told-{job}-idle-gpu")
    wait_for(path.exists, 80, "the idle GPU to be told")
    return told(box, job, "idle-gpu")["MLSH_TEXT"]


@pytest.mark.parametrize(
    "what",
    ["", "nothing", "end=", "end=nobody", "log:/a(/=cmd:true", "log:/x/=desktop", "idle-gpu:10m=cmd:true", "end=cmd:",
     "idle-gpu=cmd:true", "end=https://a b", "end,=desktop"],
)  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused_before_anything_is_sent(laptop: Laptop, what: str) -> None:
    ran = laptop.run("run", "--no-code", "--notify", what, "--", "true", check=False)
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr


def test_apprise_is_asked_for_by_name_where_it_is_not_installed(laptop: Laptop) -> None:
    ran = laptop.run("run", "--no-code", "--notify", "end=ntfys://topic", "--", "true", check=False)
    assert ran.returncode != 0
    assert "pip install" in ran.stderr


def put_on_path(laptop: Laptop, name: str, script: str) -> dict[str, str]:
    tools = laptop.directory / "tools"
    tools.mkdir(exist_ok=True)
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)
    return {"PATH": f"{tools}:{laptop.env['PATH']}"}


def test_the_desktop_of_whoever_watches_is_told_once(laptop: Laptop) -> None:
    env = put_on_path(laptop, "notify-send", 'printf "%s\\n" "$@" >>~/shown')
    ran = laptop.run("run", "--no-code", "--notify", "end", "--", "sh", "-c", "exit 3", env=env, check=False)
    assert ran.returncode == 3
    assert (laptop.home / "shown").read_text().splitlines()[-1].endswith("on local: FAILED with exit code 3")
    job = laptop.run("ps", "--json", "--on", "local").stdout
    laptop.run("wait", json.loads(job)["id"], env=env, check=False)
    assert (laptop.home / "shown").read_text().count("FAILED") == 1
    assert not list((laptop.home / ".local/state/mlsh/notify").iterdir())


def test_a_desktop_that_does_not_answer_does_not_change_the_exit_code(laptop: Laptop) -> None:
    env = put_on_path(laptop, "notify-send", "exit 1")
    ran = laptop.run("run", "--no-code", "--notify", "end", "--", "true", env=env)
    assert "could not be told by desktop" in ran.stderr


def test_a_job_that_is_run_again_tells_by_name_and_says_what_it_can_not_tell(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    (config := laptop.home / ".config/mlsh").mkdir(parents=True)
    (config / "config.toml").write_text(f"[notify]\nfile = '{SHOW}'\n")
    options = ("--notify", "end=file", "--notify", "fail=cmd:true", "--fail-if", "loss is nan")
    job = start(laptop, "gpu1", "echo loss: nan", options=options)
    assert told(gpu1, job, "end")["MLSH_REASON"] == "loss is nan: loss: nan"
    ran = laptop.run("retry", "-d", job)
    assert "fail=cmd: its address or command was not kept" in ran.stderr
    again = ran.stdout.strip()
    assert told(gpu1, again, "end")["MLSH_REASON"] == "loss is nan: loss: nan"
