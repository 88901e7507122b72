"""The verbs as a person uses them one after another, on `local` and on a box: what they print, and their exit codes."""

import contextlib
import json
import os
import pty
import re
import select
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for


@pytest.fixture
def project(laptop: Laptop, gpu1: Box) -> Path:
    laptop.add(gpu1)
    return laptop.project()


def rows(laptop: Laptop, *flags: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in laptop.run("ps", "--json", *flags).stdout.splitlines()]


def test_dry_run_prints_the_plan_and_changes_nothing(laptop: Laptop, project: Path) -> None:
    plan = laptop.run(
        "run", "--dry-run", "--on", "gpu1", "--setup", "uv sync", "--", "python3", "train.py", cwd=project
    )
    assert 'git --git-dir="$HOME"/.mlsh/repos/<name>.git worktree add' in plan.stdout
    assert plan.stdout.splitlines()[-1].endswith("python3 train.py")
    # What is for the box is one word for ssh, and leaves $HOME to the shell there.
    [making] = [line for line in plan.stdout.splitlines() if "mkdir" in line]
    command, _, _ = making.partition("  #")
    ssh, box, words = shlex.split(command)
    assert (ssh, box) == ("ssh", "gpu1")
    assert re.fullmatch(r'mkdir "\$HOME"/\.mlsh/jobs/\w{8}', words)
    assert not (laptop.home / ".cache/mlsh").exists()
    assert not (laptop.home / ".local/state/mlsh").exists()
    assert laptop.run("ps", "-a").stdout == ""


def test_a_job_is_found_by_id_prefix_name_and_place(laptop: Laptop, project: Path) -> None:
    first = laptop.run("run", "-d", "-n", "one", "--", "echo", "1", cwd=project).stdout.strip()
    second = laptop.run("run", "-d", "--on", "gpu1", "--", "echo", "2", cwd=project).stdout.strip()
    assert laptop.run("wait", first, second).stdout == ""
    for word in (second, second[:4], "@"):
        assert laptop.run("logs", word).stdout == "2\r\n"
    for word in (first, "one", "@~1"):
        assert laptop.run("logs", word).stdout == "1\r\n"
    lost = laptop.run("logs", "@~2", check=False)
    assert lost.returncode == 66
    assert "mlsh ps -a" in lost.stderr


def test_ps_tells_the_state_of_each_job_and_filters(laptop: Laptop, project: Path) -> None:
    laptop.run("run", "-d", "-n", "good", "--tag", "sweep", "--", "true", cwd=project)
    laptop.run("run", "-d", "-n", "bad", "--on", "gpu1", "--", "sh", "-c", "exit 5", cwd=project)
    laptop.run("run", "-d", "-n", "long", "--", "sleep", "600", cwd=project)
    laptop.run("wait", "good")
    assert laptop.run("wait", "bad", check=False).returncode == 5
    wait_for(lambda: [r for r in rows(laptop) if r["state"] == "RUNNING"], 10, "the long job's start")
    found = {str(row["name"]): row for row in rows(laptop) if row["name"]}
    assert {name: row["state"] for name, row in found.items()} == {
        "good": "SUCCEEDED",
        "bad": "FAILED",
        "long": "RUNNING",
    }
    assert found["bad"]["exit_code"] == 5
    assert found["bad"]["box"] == "gpu1"
    assert [row["name"] for row in rows(laptop, "--tag", "sweep")] == ["good"]
    assert [row["name"] for row in rows(laptop, "--state", "running")] == ["long"]
    assert [row["name"] for row in rows(laptop, "--on", "gpu1") if row["name"]] == ["bad"]
    shown = laptop.run("ps").stdout
    assert shown.splitlines()[0].split() == ["ID", "NAME", "BOX", "STATE", "TIME", "LAUNCHED", "COMMAND"]
    assert "FAILED 5" in shown
    assert "\x1b" not in shown


def test_a_dead_box_delays_nobody(laptop: Laptop, project: Path, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    laptop.run("run", "-d", "--on", "gpu1", "--", "true", cwd=project)
    fresh_box.stop_sshd()
    listed = laptop.run("ps", "--on", "fresh", "--on", "gpu1", check=False)
    assert listed.returncode == 69
    assert " gpu1 " in listed.stdout
    assert "mlsh: fresh: nothing listens for ssh there" in listed.stderr


def test_retry_runs_the_same_code_with_the_same_variables(laptop: Laptop, project: Path) -> None:
    command = ["sh", "-c", 'cat train.py; echo "$GREETING"']
    (project / "train.py").write_text("as launched\n")
    first = laptop.run("run", "--on", "gpu1", "--env", "GREETING=hello there", "-n", "x", "--", *command, cwd=project)
    (project / "train.py").write_text("changed since\n")
    again = laptop.run("retry", "x", cwd=project)
    assert again.stdout == first.stdout == "as launched\r\nhello there\r\n"
    assert json.loads(laptop.run("show", "--json", "@").stdout)["retry_of"]
    same = laptop.run("diff", "@", "@~1")
    assert same.stdout == "code: identical\n"


def test_dry_runs_of_what_ends_and_removes_can_be_pasted(laptop: Laptop, project: Path) -> None:
    job = laptop.run("run", "-d", "--on", "gpu1", "--", "sleep", "600", cwd=project).stdout.strip()
    wait_for(lambda: rows(laptop, "--on", "gpu1", "--state", "running"), 10, "the job's start")

    def pasted(*words: str) -> None:
        plan = [line for line in laptop.run(*words, "--dry-run").stdout.splitlines() if not line.startswith("#")]
        assert all(line.startswith("ssh gpu1 ") for line in plan)
        script = plan[0].replace("ssh ", f"ssh -F {laptop.ssh_config} ")
        laptop.command("sh", "-c", script)

    pasted("cancel", job)
    laptop.run("wait", job, check=False)
    pasted("rm", job)
    assert laptop.run("show", job, check=False).returncode == 66
    plan = laptop.run("prune", "--on", "gpu1", "--dry-run").stdout
    assert plan.startswith("ssh gpu1 ")


@pytest.mark.parametrize(("given", "warned"), [("x\n", True), ("", False), (None, False)])
def test_what_is_piped_in_is_not_dropped_without_a_word(
    laptop: Laptop, project: Path, given: str | None, warned: bool
) -> None:
    ran = laptop.run("run", "--", "true", cwd=project, input=given)
    assert ("does not reach the job" in ran.stderr) == warned


def test_a_pipe_that_stays_open_and_empty_delays_nothing(laptop: Laptop, project: Path) -> None:
    watching = laptop.spawn("run", "--", "echo", "done", cwd=project)
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert watching.stdout.read() == b"done\r\n"
    assert watching.stderr.read() == b""
    assert watching.wait(10) == 0
    closed = laptop.command("sh", "-c", f"{sys.executable} -m mlsh run -- true <&-", cwd=project)
    assert closed.stderr == ""
    (laptop.home / "input").write_text("x\n")
    told = laptop.command("sh", "-c", f"{sys.executable} -m mlsh run -- true <~/input", cwd=project)
    assert "does not reach the job" in told.stderr


def test_nothing_is_pruned_unasked_without_a_terminal(laptop: Laptop) -> None:
    ran = laptop.run("prune", check=False)
    assert ran.returncode == 2
    assert "mlsh prune -y" in ran.stderr


def test_diff_names_what_differs(laptop: Laptop, project: Path) -> None:
    laptop.run("run", "--on", "gpu1", "--", "true", cwd=project)
    (project / "train.py").write_text("print('better')\n")
    laptop.run("run", "--env", "LR=3", "--", "true", "--lr", "3", cwd=project)
    differing = laptop.run("diff", "@~1", "@").stdout
    assert "command:\n  - true\n  + true --lr 3\n" in differing
    assert "box:\n  - gpu1\n  + local\n" in differing
    assert "variables:\n  - (none)\n  + LR\n" in differing
    assert "+print('better')" in differing


def test_diff_of_two_folders_on_one_laptop(laptop: Laptop) -> None:
    here, there = laptop.project({"a": "one\n"}), laptop.home / "a:b" / "other"
    there.mkdir(parents=True)
    (there / "a").write_text("two\n")
    laptop.run("run", "--", "true", cwd=here)
    laptop.run("run", "--", "true", cwd=there)
    told = laptop.run("diff", "@~1", "@").stdout
    assert "-one\n+two\n" in told
    assert "-two\n+one\n" in laptop.run("diff", "@", "@~1").stdout


def test_a_repository_that_lost_its_head_is_refused_with_what_to_type(laptop: Laptop) -> None:
    folder = laptop.project({"a": "one\n"})
    head = laptop.command("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()
    (folder / ".git/objects" / head[:2] / head[2:]).unlink()
    refused = laptop.run("run", "--", "true", cwd=folder, check=False)
    assert refused.returncode != 0
    assert "the commit that HEAD names is missing from your repository" in refused.stderr
    assert "git fetch --refetch" in refused.stderr


def test_rm_keeps_what_runs_and_takes_what_has_ended(laptop: Laptop, project: Path) -> None:
    ended = laptop.run("run", "-d", "--", "true", cwd=project).stdout.strip()
    laptop.run("wait", ended)
    running = laptop.run("run", "-d", "--", "sleep", "600", cwd=project).stdout.strip()
    refused = laptop.run("rm", ended, check=False)
    assert (refused.returncode, "-y" in refused.stderr) == (2, True)
    assert (laptop.home / ".mlsh/trees" / ended).exists()
    told = laptop.run("rm", "-y", ended, running, check=False)
    assert told.returncode == 75
    assert f"{ended} removed" in told.stderr
    assert f"mlsh cancel {running}" in told.stderr
    assert [row["id"] for row in rows(laptop, "-a")] == [running]
    assert not (laptop.home / ".mlsh/trees" / ended).exists()
    assert laptop.run("cancel", running).stderr == f"mlsh: {running} CANCELLED\n"
    assert laptop.run("cancel", running).stderr == f"mlsh: {running} had been cancelled\n"
    assert laptop.run("wait", running, check=False).returncode == 130


def test_explain_prints_commands_that_can_be_pasted(laptop: Laptop, project: Path) -> None:
    job = laptop.run("run", "--on", "gpu1", "-d", "--", "echo", "pasted", cwd=project).stdout.strip()
    laptop.run("wait", job)
    told = laptop.run("logs", "--explain", job).stderr.splitlines()
    [command] = [line.removeprefix("+ ") for line in told if " logs " in line]
    pasted = laptop.command("sh", "-c", command).stdout
    assert pasted == "mlsh-reply 1\npasted\r\n"


def test_ctrl_c_stops_watching_and_a_second_one_asks_to_cancel(laptop: Laptop, project: Path) -> None:
    job = laptop.run("run", "-d", "--on", "gpu1", "--", "sh", "-c", "echo begun; sleep 600", cwd=project).stdout.strip()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "mlsh", "logs", "-f", job], laptop.env)
    said = Screen(terminal)
    said.wait_for("begun")
    os.write(terminal, b"\x03")
    said.wait_for(f"mlsh logs -f {job}")
    said.wait_for("once more")
    os.write(terminal, b"\x03")
    said.wait_for(f"Cancel {job}? [y/N]")
    os.write(terminal, b"y\n")
    said.wait_for("CANCELLED")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130


def test_run_ends_with_130_on_ctrl_c_and_the_job_goes_on(laptop: Laptop, project: Path) -> None:
    watching = laptop.spawn("run", "--on", "gpu1", "-n", "on", "--", "sh", "-c", "echo begun; sleep 600", cwd=project)
    assert watching.stdout is not None
    line = watching.stdout.readline()
    assert line == b"begun\r\n"
    watching.send_signal(signal.SIGINT)
    _, talk = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert b"goes on" in talk
    assert [row["state"] for row in rows(laptop, "--on", "gpu1", "--state", "running")][-1] == "RUNNING"
    laptop.run("cancel", "on")


class Screen:
    """What a program writes to its terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._text = ""

    def wait_for(self, text: str) -> None:
        """Read until `text` has been written."""

        def there() -> bool:
            if select.select([self._terminal], [], [], 0.05)[0]:
                # An error means that the other end is closed: what was read is all.
                with contextlib.suppress(OSError):
                    self._text += os.read(self._terminal, 65536).decode(errors="replace")
            return text in self._text

        wait_for(there, 20, f"{shlex.quote(text)} on the terminal")
