"""Boxes as people have them: hostile start-up files, missing tools, other shells, odd homes."""

import json
import shlex
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until

# What a job should find, as JSON in the log.
LOOK = (
    "import json, os, sys; "
    "tty = all(os.isatty(fd) for fd in (0, 1, 2)); "
    "print(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd(), 'tty': tty, "
    "'size': list(os.get_terminal_size()), 'umask': os.umask(0), 'args': sys.argv[1:]}))"
)


def look(laptop: Laptop, box: str, *options: str, cwd: Path | None = None) -> dict[str, dict[str, str]]:
    """Run a job that tells what it sees."""
    code = () if cwd else ("--no-code",)
    # Wide, so that the terminal does not wrap the line.
    ran = laptop.run(
        "run", "--on", box, *code, *options, "--", "/usr/bin/python3", "-c", LOOK, cwd=cwd, env={"COLUMNS": "32000"}
    )
    seen: dict[str, dict[str, str]] = json.loads(ran.stdout[ran.stdout.index("{") :])
    return seen


def runs(laptop: Laptop, box: Box, project: Path) -> None:
    """Code, a log, an exit code: what every box must give."""
    ran = laptop.run("run", "--on", box.name, "--", "sh", "-c", "cat train.py; exit 7", cwd=project, check=False)
    assert (ran.returncode, ran.stdout) == (7, "print('trained')\r\n"), ran.stderr


@pytest.fixture
def project(laptop: Laptop) -> Path:
    return laptop.project()


@pytest.fixture
def box(laptop: Laptop, fresh_box: Box) -> Box:
    laptop.add(fresh_box)
    return fresh_box


def test_a_job_sees_a_terminal_the_persons_environment_and_nothing_of_ours(
    laptop: Laptop, box: Box, project: Path
) -> None:
    box.write("~/.bashrc", box.path("~/.bashrc").read_text() + "\nexport CONDA=yes PATH=$HOME/conda/bin:$PATH\n")
    seen = look(laptop, "fresh", "-n", "big", "--env", "LR=3 e'4\n\"$x`!", cwd=project)
    env = seen["env"]
    assert (seen["tty"], seen["umask"]) == (True, 0o22)
    job = env["MLSH_JOB_ID"]
    assert (env["MLSH_JOB_NAME"], env["MLSH_JOB_DIR"]) == ("big", f"{box.home}/.mlsh/jobs/{job}")
    assert (env["HOME"], env["USER"], env["SHELL"], env["CONDA"]) == (box.home, "alice", "/bin/bash", "yes")
    assert env["LR"] == "3 e'4\n\"$x`!"
    assert env["TERM"] == "screen-256color"
    assert env["TMUX"].split(",")[0].endswith("/mlsh")
    assert seen["cwd"] == env["PWD"] == f"{box.home}/.mlsh/trees/{job}"
    there = box.sh("exec env -i HOME=$HOME USER=$USER bash -l -i -c 'echo $PATH' 2>/dev/null").stdout.strip()
    assert env["PATH"] == there
    ours = {name for name in env if name.startswith(("MLSH", "mlsh"))}
    assert ours == {"MLSH_JOB_ID", "MLSH_JOB_NAME", "MLSH_JOB_DIR", "MLSH_COMMIT", "MLSH_BASE_COMMIT"}
    expected = ours | {"HOME", "USER", "SHELL", "CONDA", "LR", "TERM", "TMUX", "TMUX_PANE", "PWD", "PATH", "LOGNAME"}
    assert set(env) - expected <= {
        "LANG",
        "PAGER",
        "GIT_PAGER",
        "TERM_PROGRAM",
        "TERM_PROGRAM_VERSION",
        "OLDPWD",
        "LC_CTYPE",
        "LS_COLORS",
        "SHLVL",
        "_",
    }


def test_variables_that_are_named_like_ours_reach_the_job(laptop: Laptop, box: Box, project: Path) -> None:
    names = ("id", "job", "file", "commit", "subdir", "workdir", "shell", "grace", "repo", "setup", "folder")
    box.write("~/.profile", "".join(f"export {name}=mine-{name}\n" for name in names))
    seen = look(laptop, "fresh", "--env", "job=asked", cwd=project)
    assert {name: seen["env"][name] for name in names} == {name: f"mine-{name}" for name in names} | {"job": "asked"}
    assert seen["cwd"].endswith(seen["env"]["MLSH_JOB_ID"])  # type: ignore[attr-defined]


HOSTILE = {
    "prints": "echo hello; echo oops >&2; printf 'mlsh-reply 1'",
    "reads": "read -r a; read -r b",
    "exits": "case $- in *i*) exit 3 ;; esac",
    "execs": "case $- in *i*) exec /bin/dash ;; esac",
    "fails": "set -e; false",
    "aliases": "alias ls='rm -rf' sh=false cat=false\nmv() { false; }; cat() { false; }; export -f mv cat",
    "no path": "case $- in *i*) export PATH=/nonsense ;; esac",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_start_up_files_that_do_odd_things_neither_stop_a_job_nor_reach_its_log(
    laptop: Laptop, box: Box, project: Path, what: str
) -> None:
    guard = "case $- in *i*) ;; *) return ;; esac\n" if what == "fails" else ""
    box.write("~/.bashrc", f"{guard}{HOSTILE[what]}\n")
    box.write("~/.profile", "export FROM_PROFILE=yes\n. ~/.bashrc\n")
    command = ("/bin/sh", "-c", "/bin/cat train.py; exit 7")
    ran = laptop.run("run", "--on", "fresh", "--", *command, cwd=project, check=False)
    assert (ran.returncode, ran.stdout.replace("\r\n", "\n")[-17:]) == (7, "print('trained')\n"), ran.stderr
    assert "hello" not in ran.stdout
    assert laptop.run("cancel", "@").returncode == 0


def test_a_start_up_file_that_hangs_costs_its_variables_and_not_the_job(laptop: Laptop, box: Box) -> None:
    box.write("~/.profile", "export FROM_PROFILE=yes\n. ~/.bashrc\n")
    box.write("~/.bashrc", "case $- in *i*) sleep 98760 ;; esac\n")
    job = start(laptop, "fresh", "echo got $FROM_PROFILE")
    wait_for(lambda: box.processes("^sleep 98760"), 10, "the start-up file")
    until(box, job, "SUCCEEDED", timeout_s=40)
    assert log(box, job) == "got yes\n"
    assert not box.processes("^sleep 98760")


@pytest.mark.parametrize(
    ("shell", "file", "text"),
    [
        ("/bin/bash", ".bashrc", "case $- in *i*) ;; *) return ;; esac\nexport BELOW='a b'\"'\"'c'\n"),
        ("/usr/bin/zsh", ".zshrc", "export BELOW='a b'\"'\"'c'\n"),
        ("/usr/bin/fish", ".config/fish/config.fish", 'if status is-interactive\nset -gx BELOW "a b\'c"\nend\n'),
        ("/usr/bin/tcsh", ".tcshrc", 'if (! $?prompt) exit\nsetenv BELOW "a b\'c"\n'),
        ("/bin/dash", ".profile", 'export BELOW="a b\'c"\n'),
    ],
)
def test_variables_below_the_interactive_guard_reach_the_job_from_every_login_shell(
    laptop: Laptop, box: Box, project: Path, shell: str, file: str, text: str
) -> None:
    box.login_shell(shell)
    box.write(f"~/{file}", text)
    env = look(laptop, "fresh", cwd=project)["env"]
    assert (env["BELOW"], env["SHELL"]) == ("a b'c", shell)
    assert not any(name.startswith("MLSH_") for name in set(env) - {
        "MLSH_JOB_ID", "MLSH_JOB_NAME", "MLSH_JOB_DIR", "MLSH_COMMIT", "MLSH_BASE_COMMIT"
    })  # fmt: skip
    runs(laptop, box, project)


def test_a_tmux_that_vanished_since_the_last_job_is_named(laptop: Laptop, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    folder = laptop.project()
    laptop.run("run", "--on", "fresh", "--", "true", cwd=folder)
    fresh_box.hide("tmux")
    ran = laptop.run("run", "--on", "fresh", "--", "true", cwd=folder, check=False)
    assert ran.returncode == 71
    assert "there is no tmux" in ran.stderr
    assert "apt-get install tmux" in ran.stderr
    fresh_box.unhide("tmux")
    assert len(laptop.run("ps", "--json", "--on", "fresh").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("tool", "kind"), [("tmux", "no tmux"), ("git", "no git"), ("flock", "no flock")], ids=["tmux", "git", "flock"]
)
def test_a_missing_tool_is_named_with_what_to_do(laptop: Laptop, box: Box, project: Path, tool: str, kind: str) -> None:
    box.hide(tool)
    ran = laptop.run("run", "--on", "fresh", "-d", "--", "true", cwd=project, check=False)
    assert ran.returncode == 71
    assert kind in ran.stderr
    assert "install" in ran.stderr
    assert not list(box.path("~/.mlsh").glob("jobs/*"))
    if tool == "git":
        assert "--no-code" in ran.stderr
        assert laptop.run("run", "--on", "fresh", "--no-code", "--", "echo", "hi", cwd=project).stdout == "hi\r\n"
    box.unhide(tool)
    runs(laptop, box, project)


def test_a_tmux_that_is_too_old_is_refused(laptop: Laptop, box: Box, project: Path) -> None:
    for said in ("tmux 2.8", "tmux 3.1c", "tmux 1.8"):
        box.install("tmux", f"echo '{said}'")
        ran = laptop.run("run", "--on", "fresh", "-d", "--", "true", cwd=project, check=False)
        assert ran.returncode == 71
        assert f"{said} is too old" in ran.stderr


def test_a_tmux_beside_the_systems_is_found(laptop: Laptop, box: Box, project: Path) -> None:
    box.sh("mkdir -p .local/bin && cp /usr/bin/tmux .local/bin/tmux")
    box.sh("rm /usr/bin/tmux", user="root")
    runs(laptop, box, project)


def test_a_busybox_userland_is_enough(laptop: Laptop, box: Box, project: Path) -> None:
    box.busybox_userland()
    runs(laptop, box, project)
    job = start(laptop, "fresh", "trap '' INT TERM; setsid sleep 98761 & sleep 98762")
    wait_for(lambda: len(box.processes("^sleep 9876")) == 2, 10, "the job")
    laptop.run("cancel", "--grace", "0", job)
    assert box.processes("^sleep 9876") == []
    assert state(box, job)["state"] == "CANCELLED"
    assert job in laptop.run("ps", "-a", "--on", "fresh").stdout
    laptop.run("rm", "-y", job)
    laptop.run("prune", "-y", "--on", "fresh")
    assert not folder(box, job).exists()


ODD = 'it\'s # a "café" %H (1) $x; &'
# fish itself garbles a HOME that is not ASCII where the connection brings no LANG.
ODD_FOR_FISH = ODD.replace("é", "e")


@pytest.mark.parametrize("shell", ["/bin/bash", "/usr/bin/fish", "/usr/bin/tcsh"])
def test_a_home_with_spaces_quotes_and_a_hash_in_its_path(laptop: Laptop, box: Box, project: Path, shell: str) -> None:
    odd = ODD_FOR_FISH if "fish" in shell else ODD
    box.sh(f"mkdir -p /mnt && cp -a /home/alice {shlex.quote('/mnt/' + odd)}", user="root")
    passwd = box.root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/home/alice", f"/mnt/{odd}"))
    box.login_shell(shell)
    laptop.run("run", "--on", "fresh", "--setup", "mkdir made", "--", "ls", "made", cwd=project)
    ran = laptop.run("run", "--on", "fresh", "--setup", "mkdir made", "--", "pwd", cwd=project)
    assert ran.stdout.strip().rpartition("/")[0].endswith(f"/mnt/{odd}/.mlsh/trees")
    job = start(laptop, "fresh", "sleep 98763")
    laptop.run("cancel", "--grace", "0", job)
    laptop.run("rm", "-y", job)
    assert job not in laptop.run("ps", "-a", "--on", "fresh").stdout


@pytest.mark.parametrize("home", ["~/my dir/.mlsh", "/scratch/it's #1/mlsh"])
def test_mlshs_folder_may_lie_elsewhere(laptop: Laptop, box: Box, project: Path, home: str) -> None:
    box.sh("mkdir /scratch && chown alice /scratch", user="root")
    config = laptop.home / ".config/mlsh/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[boxes.fresh]\nhome = "{home}"\n')
    runs(laptop, box, project)
    assert box.path(home).stat().st_mode & 0o777 == 0o700
    assert not box.path("~/.mlsh").exists()
    job = start(laptop, "fresh", "sleep 98764", cwd=project)
    laptop.run("cancel", "--grace", "0", job)
    laptop.run("rm", "-y", job)


def test_a_login_shell_that_is_gone_is_told(laptop: Laptop, box: Box, project: Path) -> None:
    passwd = box.root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/home/alice:/bin/bash", "/home/alice:/opt/gone/zsh"))
    ran = laptop.run("run", "--on", "fresh", "-d", "--", "true", cwd=project, check=False)
    assert ran.returncode in {71, 77}
    assert "ssh" in ran.stderr


def test_a_box_that_has_python3_and_no_python_says_so(laptop: Laptop, gpu1: Box) -> None:
    laptop.add(gpu1)
    gpu1.write("~/only/python3", "#!/bin/sh\n", 0o755)
    job = start(laptop, "gpu1", "python", "train.py", options=("--env", f"PATH={gpu1.home}/only"))
    assert until(gpu1, job, "FAILED")["code"] == 127
    assert "there is no python on this box" in log(gpu1, job)
    assert "but there is python3" in log(gpu1, job)
