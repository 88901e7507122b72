"""`mlsh session up`: the session that was asked for, once, whole, and with no secret where others can read it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.sessions.life import FILE, clear, sessions, shows, tmux, windows


@pytest.fixture(autouse=True)
def _known(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    clear(gpu1)
    gpu1.sh("mkdir -p code/sub")


@pytest.fixture
def file(laptop: Laptop) -> Path:
    path = laptop.home / "nlp.yaml"
    path.write_text(FILE.replace("$HOME-is", "HOME-is"))
    return path


def up(laptop: Laptop, *words: str) -> str:
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", *words)
    return ran.stdout.strip()


def test_a_file_becomes_windows_panes_folders_and_commands(laptop: Laptop, gpu1: Box, file: Path) -> None:
    assert up(laptop, str(file)) == "nlp"
    assert windows(gpu1, "nlp") == ["edit 3 0", "logs 1 1"]
    form = "#{pane_active} #{pane_current_path}"
    panes = tmux(gpu1, f"list-panes -t =nlp:edit -F '{form}'")
    code = f"{gpu1.home}/code"
    assert panes == [f"0 {code}", f"1 {code}/sub", f"0 {code}"]
    shows(gpu1, "=nlp:edit.0", "two")
    shows(gpu1, "=nlp:edit.1", f"{code}/sub")
    assert tmux(gpu1, "display -p -t =nlp:edit '#{window_layout}'")[0].count("{") == 1  # main-vertical
    assert gpu1.processes("^sleep 4321")


def test_a_session_that_is_there_is_left_as_it_is(laptop: Laptop, gpu1: Box, file: Path) -> None:
    up(laptop, str(file))
    gpu1.sh("tmux new-window -d -t =nlp: -n mine; tmux send-keys -t =nlp:mine 'echo mi''ne' Enter")
    before = tmux(gpu1, "list-panes -a -F '#{pane_id} #{pane_pid} #{session_created}'")
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", str(file))
    assert "is up on gpu1 already" in ran.stderr
    assert tmux(gpu1, "list-panes -a -F '#{pane_id} #{pane_pid} #{session_created}'") == before


def test_two_that_are_made_at_once_are_one(laptop: Laptop, gpu1: Box, file: Path) -> None:
    started = [laptop.spawn("session", "up", "-d", "--on", "gpu1", str(file)) for _ in range(4)]
    for one in started:
        assert one.wait(60) == 0, one.stderr and one.stderr.read()
    assert sessions(gpu1) == ["nlp"]
    assert windows(gpu1, "nlp") == ["edit 3 0", "logs 1 1"]


def test_variables_reach_the_shells_and_no_argument_list(laptop: Laptop, gpu1: Box, file: Path) -> None:
    value = "s3cr3t 'quoted' HOME-is-not-here"
    loop = "while sleep 0.01; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\\0' ' ' >seen"
    gpu1.sh(f'setsid sh -c "{loop}" >/dev/null 2>&1 </dev/null &')
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", "--explain", str(file))
    shows(gpu1, "=nlp:edit.0", "two")
    gpu1.sh("pkill -f 'while sleep 0.01'", check=False)
    assert "mlsh-unfinished" in gpu1.sh("tr -d '\\0' <seen").stdout
    assert "s3cr3t" not in gpu1.sh("tr -d '\\0' <seen").stdout + ran.stderr
    assert f"TOKEN={value}" in tmux(gpu1, "show-environment -t =nlp")
    gpu1.sh("tmux send-keys -t =nlp:edit.2 'echo \"[$TOKEN]\"' Enter")
    shows(gpu1, "=nlp:edit.2", f"[{value}]")


def test_a_pane_has_its_own_variables_and_leaves_none_behind(laptop: Laptop, gpu1: Box, file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "session_name": "own",
                "environment": {"A": "session"},
                "windows": [
                    {
                        "environment": {"A": "window", "B": "window"},
                        "panes": ['echo "<$A $B>"', {"environment": {"B": "$PANE"}, "shell_command": 'echo "<$A $B>"'}],
                    },
                    {"panes": ['echo "<$A $B>"']},
                ],
            }
        )
    )
    laptop.run("session", "up", "-d", "--on", "gpu1", str(file), env={"PANE": "pane\nof two lines"})
    shows(gpu1, "=own:0.0", "<window window>")
    shows(gpu1, "=own:0.1", "<window pane\nof two lines>")
    shows(gpu1, "=own:1.0", "<session >")


HOSTILE = ["nlp $(touch PWNED)", "nlp '\"`touch PWNED`", "näme 模型", "a;b & c|d", "x" * 100]


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_names_are_only_names(laptop: Laptop, gpu1: Box, file: Path, name: str) -> None:
    assert up(laptop, str(file), "-n", name) == name
    assert sessions(gpu1) == [name]
    listed = json.loads(laptop.run("session", "list", "--on", "gpu1", "--json").stdout)
    assert listed["name"] == name
    laptop.run("session", "kill", "-y", "--on", "gpu1", name)
    assert sessions(gpu1) == []
    assert "PWNED" not in gpu1.sh("ls -R").stdout


@pytest.mark.parametrize("name", ["a.b", "a:b", "-x", "$(id)", "=x", "#(touch PWNED)", "", "tab\there", "x" * 101])
def test_names_that_tmux_would_take_otherwise_are_refused(laptop: Laptop, gpu1: Box, file: Path, name: str) -> None:
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", str(file), f"--name={name}", check=False)
    assert ran.returncode == 65
    assert "can't be the name of a session" in ran.stderr
    assert "perhaps: -n " in ran.stderr
    assert sessions(gpu1) == []


def test_formats_in_names_of_windows_and_folders_run_nothing(laptop: Laptop, gpu1: Box, file: Path) -> None:
    odd = "#(touch ~/PWNED) ##{x};"
    gpu1.sh("mkdir -p 'code/#(touch PWNED);'")
    panes = [{"shell_command": "echo 'a;';", "start_directory": "~/code/#(touch PWNED);"}]
    file.write_text(json.dumps({"session_name": "w", "windows": [{"window_name": odd, "panes": panes}]}))
    up(laptop, str(file))
    assert tmux(gpu1, "list-windows -t =w -F '#{window_name}'") == [odd]
    shows(gpu1, "=w:0", "\na;")
    assert tmux(gpu1, "display -p -t =w:0 '#{pane_current_path}'") == [f"{gpu1.home}/code/#(touch PWNED);"]
    assert "PWNED" not in gpu1.sh("ls; ls /tmp").stdout.replace("#(touch PWNED);", "")


def test_a_folder_that_is_missing_is_named_and_nothing_is_left(laptop: Laptop, gpu1: Box, file: Path) -> None:
    file.write_text(FILE.replace("sub", "nowhere"))
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", str(file), check=False)
    assert (ran.returncode, sessions(gpu1)) == (66, [])
    assert f"{gpu1.home}/code/nowhere: there is no such folder" in ran.stderr


def test_what_tmux_refuses_is_told_and_nothing_is_left(laptop: Laptop, gpu1: Box, file: Path) -> None:
    gpu1.sh("tmux new-session -d -s other")
    file.write_text(FILE.replace("main-vertical", "b25f,200x50,0,0,1"))  # a layout of one pane, of another size
    file.write_text(
        file.read_text().replace(
            "    panes:\n      - shell_command: [", "    options: {no-such: 1}\n    panes:\n      - shell_command: [", 1
        )
    )
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", str(file), check=False)
    assert ran.returncode != 0
    assert "no-such" in ran.stderr
    assert sessions(gpu1) == ["other"]


def test_one_that_is_cut_off_never_passes_for_the_session(laptop: Laptop, gpu1: Box, file: Path) -> None:
    file.write_text(FILE.replace("[echo one, echo two]", "[{cmd: echo one, sleep_after: 30}]"))
    cut = laptop.spawn("session", "up", "-d", "--on", "gpu1", str(file))
    wait_for(lambda: any("unfinished" in name for name in sessions(gpu1)), 15, "the beginning")
    time.sleep(0.3)
    cut.kill()
    assert "nlp" not in sessions(gpu1)
    file.write_text(FILE)
    up(laptop, str(file))
    assert windows(gpu1, "nlp") == ["edit 3 0", "logs 1 1"]


def test_ctrl_c_takes_back_what_was_begun(laptop: Laptop, gpu1: Box, file: Path) -> None:
    gpu1.sh("tmux new-session -d -s other")
    file.write_text(FILE.replace("[echo one, echo two]", "[{cmd: echo one, sleep_after: 30}]"))
    begun = laptop.spawn("session", "up", "-d", "--on", "gpu1", str(file))
    wait_for(lambda: any("unfinished" in name for name in sessions(gpu1)), 15, "the beginning")
    os.killpg(begun.pid, signal.SIGINT)
    assert begun.wait(15) == 130
    assert sessions(gpu1) == ["other"]


def test_jobs_have_a_server_of_their_own(laptop: Laptop, gpu1: Box, file: Path) -> None:
    job = laptop.run("run", "--on", "gpu1", "--no-code", "-d", "--", "sleep", "60").stdout.strip()
    up(laptop, str(file))
    laptop.run("session", "kill", "-y", "nlp")
    assert job not in laptop.run("session", "list", "--on", "gpu1").stdout
    assert json.loads(laptop.run("ps", "--json", "--on", "gpu1").stdout.splitlines()[0])["state"] in {
        "RUNNING",
        "PENDING",
    }
    laptop.run("cancel", "--grace", "0", job)


def test_without_a_file_there_is_the_usual_layout_with_the_newest_jobs_log(laptop: Laptop, gpu1: Box) -> None:
    job = laptop.run("run", "--on", "gpu1", "--no-code", "-d", "--", "sh", "-c", "echo of the job").stdout.strip()
    laptop.run("wait", job)
    folder = laptop.home / "my.project"
    folder.mkdir()
    ran = laptop.run("session", "up", "-d", "--on", "gpu1", cwd=folder, env={"EDITOR": None})
    assert ran.stdout.strip() == "my_project"
    assert windows(gpu1, "my_project") == ["shell 1 1", "editor 1 0", "watch 2 0"]
    shows(gpu1, "=my_project:watch.0", "of the job")
    wait_for(lambda: gpu1.processes("^top") or gpu1.processes("^nv"), 10, "the monitor")


def test_a_local_session_has_the_persons_environment_and_folder(laptop: Laptop) -> None:
    folder = laptop.home / "here"
    (folder / "sub").mkdir(parents=True)
    text = "session_name: here\nwindows: [{start_directory: ./sub, panes: ['echo $MINE $TMUX_NOT; pwd']}]\n"
    (folder / "w.yaml").write_text(text)
    env = {"MINE": "my own", "MLSH_JOB_ID": "bcdfghjk", "TMUX": "/nowhere/default,1,0"}
    laptop.run("session", "up", "-d", "here/w.yaml", env=env)

    def seen() -> str:
        return laptop.command("tmux", "capture-pane", "-p", "-J", "-t", "=here:0").stdout

    wait_for(lambda: "my own" in seen() and f"{folder}/sub" in seen(), 10, "the shell")
    assert "MLSH_JOB_ID" not in laptop.command("tmux", "show-environment", "-g").stdout
