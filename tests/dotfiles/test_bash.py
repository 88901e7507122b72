"""mlsh's bashrc in a real bash: history that stays, a prompt that tells, and the person's own settings that win."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.dotfiles.shells import as_nobody, complains_of_fork, environment, repository, settle, typed, without_colour

BASH = ["bash", "-i"]
# As a new account has it, less the completion, which takes its time to load.
SKELETON = Path("/etc/skel/.bashrc").read_text().replace("bash_completion", "none")
HISTORY = ".local/state/bash/history"


@pytest.fixture(scope="module")
def pushed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a home, made once."""
    made = tmp_path_factory.mktemp("pushed")
    (made / ".bashrc").write_text(SKELETON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(made))
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        settle(made)
    return made


@pytest.fixture
def settled(home: Path, pushed_home: Path) -> Path:
    """The home of a new account, with the dotfiles pushed."""
    shutil.copytree(pushed_home, home, dirs_exist_ok=True)
    return home


def prompts(home: Path, *folders: Path) -> list[str]:
    """The prompts that a person sees in folders."""
    lines = "".join(f"cd '{folder}'\n echo --here-- >&2\n" for folder in folders)
    said = without_colour(typed(BASH, home, lines).stderr)
    return [part.splitlines()[-1] for part in said.split("--here--\n")[:-1]]


def prompt(home: Path, folder: Path, *before: str, env: dict[str, str] | None = None) -> str:
    """The prompt that a person sees in a folder, after some commands."""
    lines = "\n".join([f"cd '{folder}'", *before, "echo --here-- >&2", ""])
    said = without_colour(typed(BASH, home, lines, env).stderr)
    return said[: said.index("--here--\n")].splitlines()[-1] if "--here--\n" in said else said


def history(home: Path) -> list[str]:
    return [line for line in (home / HISTORY).read_text().splitlines() if not line.startswith("#")]


# history


def test_no_line_is_lost_though_several_shells_write_at_once(settled: Path) -> None:
    for one in range(5):
        typed(BASH, settled, f"echo {one}a\necho {one}b\n")
    both = [typed(BASH, settled, f"echo x{number}\n") for number in range(2)]
    assert all(one.returncode == 0 for one in both)
    said = history(settled)
    for one in range(5):
        assert f"echo {one}a" in said
        assert f"echo {one}b" in said


def test_a_shell_that_is_killed_has_written_what_was_typed_in_it(settled: Path) -> None:
    typed(BASH, settled, "echo first\necho second\nkill -9 $$\n")
    assert "echo second" in history(settled)


def test_the_limits_of_the_distribution_cut_nothing(settled: Path) -> None:
    # Debian's own .bashrc sets HISTFILESIZE=2000, at which bash cuts the file at once.
    typed(BASH, settled, "true\n")
    with (settled / HISTORY).open("a") as file:
        file.writelines(f"echo {number}\n" for number in range(3000))
    typed(BASH, settled, "echo last\n")
    said = history(settled)
    assert "echo 0" in said
    assert said.count("echo last") == 1


def test_the_lines_from_before_come_along_and_stay_where_they_were(home: Path) -> None:
    (home / ".bash_history").write_text("echo old\n")
    settle(home)
    said = typed(BASH, home, "history | tail -n 3\n")
    assert "echo old" in said.stdout
    assert (home / ".bash_history").read_text().startswith("echo old\n")


def test_a_history_file_of_one_s_own_is_used(settled: Path) -> None:
    with (settled / ".bashrc").open("a") as file:
        file.write("HISTFILE=~/mine\n")
    typed(BASH, settled, "echo one\n")
    assert "echo one" in (settled / "mine").read_text()
    assert not (settled / HISTORY).exists()


def test_a_person_who_wants_no_history_gets_none(settled: Path) -> None:
    with (settled / ".bashrc").open("a") as file:
        file.write("unset HISTFILE\n")
    typed(BASH, settled, "echo one\n")
    assert not (settled / HISTORY).exists()
    assert not (settled / ".history").exists()


def test_a_line_that_begins_with_a_space_is_not_kept(settled: Path) -> None:
    typed(BASH, settled, " export TOKEN=abc\necho kept\n")
    assert "TOKEN" not in (settled / HISTORY).read_text()
    assert (settled / HISTORY).stat().st_mode & 0o077 == 0


# prompt


def test_the_prompt_says_how_the_last_command_ended(settled: Path) -> None:
    assert (
        prompt(settled, settled, "(exit 7)").startswith("7 ada") or " 7 " in f" {prompt(settled, settled, '(exit 7)')}"
    )
    assert not prompt(settled, settled, "true")[0].isdigit()


HEADS = {
    "ref: refs/heads/main\n": "(main)",
    "ref: refs/heads/feature/x\n": "(feature/x)",
    "0123456789abcdef0123456789abcdef01234567\n": "(01234567)",
    "ref: refs/heads/no-newline": "(no-newline)",
}
IN_PROGRESS = {"rebase-merge/": "rebase", "rebase-apply/": "rebase", "MERGE_HEAD": "merge", "BISECT_LOG": "bisect"}


def test_the_prompt_names_the_branch(settled: Path) -> None:
    folders = [repository(settled / f"r{number}", head) for number, head in enumerate(HEADS)]
    (folders[0] / "deep/er").mkdir(parents=True)
    for shown, wanted in zip(
        prompts(settled, *folders, folders[0] / "deep/er"), [*HEADS.values(), "(main)"], strict=True
    ):
        assert wanted in shown


def test_the_prompt_says_what_is_in_progress(settled: Path) -> None:
    folders = []
    for number, file in enumerate(IN_PROGRESS):
        folder = repository(settled / f"r{number}")
        path = folder / ".git" / file
        path.mkdir() if file.endswith("/") else path.touch()
        folders.append(folder)
    for shown, wanted in zip(prompts(settled, *folders), IN_PROGRESS.values(), strict=True):
        assert f"(main, {wanted})" in shown


def test_the_prompt_names_the_branch_of_a_worktree(settled: Path) -> None:
    repository(settled / "r")
    real = settled / "r/.git/worktrees/w"
    real.mkdir(parents=True)
    (real / "HEAD").write_text("ref: refs/heads/other\n")
    for name, to in (("w", str(real)), ("v", "../r/.git/worktrees/w")):
        (settled / name).mkdir()
        (settled / name / ".git").write_text(f"gitdir: {to}\n")
    assert all("(other)" in shown for shown in prompts(settled, settled / "w", settled / "v"))


def test_a_branch_s_name_runs_nothing_and_sends_nothing_to_the_terminal(settled: Path) -> None:
    folder = repository(settled / "r", "ref: refs/heads/$(touch${IFS}pwned)`id`\\u\x1b]0;x\x07\n")
    shown = prompt(settled, folder)
    assert "$(touch" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert not (folder / "pwned").exists()
    assert not (settled / "pwned").exists()


def counted(home: Path, text: str) -> None:
    cache = home / ".cache/mlsh"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"prompt.{os.uname().nodename}").write_text(text)
    (home / ".mlsh/jobs").mkdir(parents=True, exist_ok=True)


def test_the_prompt_shows_gpus_and_jobs_that_were_counted_beside_it(settled: Path) -> None:
    counted(settled, f"{int(time.time())} 2/8 3\n")
    assert " [gpu 2/8 jobs 3] " in prompt(settled, settled)
    counted(settled, f"{int(time.time())} - 3\n")
    assert " [jobs 3] " in prompt(settled, settled)
    counted(settled, f"{int(time.time())} - 0\n")
    assert "[" not in prompt(settled, settled)
    counted(settled, f"{int(time.time()) - 10_000} 2/8 3\n")
    assert "2/8" not in prompt(settled, settled), "what nobody has counted for hours is not shown"
    counted(settled, "a[$(touch pwned)] $(id) x\n")
    assert "[" not in prompt(settled, settled)
    assert not (settled / "pwned").exists()


def test_one_s_own_prompt_stays(settled: Path) -> None:
    with (settled / ".bashrc").open("a") as file:
        file.write("PS1='mine> '\n")
    assert prompt(settled, settled).startswith("mine> ")


def test_the_prompt_can_be_left_off(settled: Path) -> None:
    repository(settled / "r")
    assert "(main)" not in prompt(settled, settled / "r", env={"MLSH_PROMPT": "no"})


def test_the_name_of_an_environment_stays_in_front(settled: Path) -> None:
    with (settled / ".bashrc").open("a") as file:
        file.write('PS1="(base) $PS1"\n')
    assert prompt(settled, settled).startswith("(base) ")


@pytest.mark.parametrize(
    "later", ["PROMPT_COMMAND='echo mine'", 'PROMPT_COMMAND="echo mine${PROMPT_COMMAND:+; $PROMPT_COMMAND}"']
)
def test_a_prompt_command_of_one_s_own_runs_beside_ours(settled: Path, later: str) -> None:
    with (settled / ".bashrc").open("a") as file:
        file.write(f"{later}\n")
    said = typed(BASH, settled, "echo one\n")
    assert "mine" in said.stdout
    assert "echo one" in history(settled)


def test_reading_the_file_again_changes_nothing(settled: Path) -> None:
    (settled / ".bashrc").write_text(". ~/.config/mlsh/bashrc\n")
    folder = repository(settled / "r")
    said = typed(BASH, settled, f". ~/.bashrc\n. ~/.bashrc\necho ${{#PROMPT_COMMAND[@]}}\ncd {folder}\necho\n")
    assert said.stdout.splitlines()[0] == "1"
    assert "error" not in said.stderr
    assert "(main)" in without_colour(said.stderr)


def test_where_the_line_stands_first_everything_works_too(home: Path) -> None:
    (home / ".bashrc").write_text(SKELETON + "return\nalias never=read\n")
    settle(home)
    assert (home / ".bashrc").read_text().startswith("if [ -r ~/.config/mlsh/bashrc ]")
    repository(home / "r")
    assert "(main)" in prompt(home, home / "r")
    with (home / HISTORY).open("a") as file:
        file.writelines(f"echo {number}\n" for number in range(3000))
    typed(BASH, home, "echo last\n")
    assert "echo 0" in history(home)


@pytest.mark.parametrize("windows", [False, True])
def test_the_line_is_read_whatever_the_line_ends(home: Path, windows: bool) -> None:
    end = "\r\n" if windows else "\n"
    (home / ".bashrc").write_bytes(f"A=1{end}B=2".encode())
    settle(home)
    assert "__mlsh_prompt" in typed(BASH, home, "echo ${PROMPT_COMMAND[@]}\n").stdout


def test_a_script_and_a_copy_read_only_the_variables(settled: Path) -> None:
    (settled / ".bashrc").write_text((settled / ".bashrc").read_text().replace(SKELETON, ""))
    (settled / ".config/mlsh/env.sh").write_text("export HF_HOME=/scratch/hf\n")
    said = typed(["bash", "-c", ". ~/.bashrc; echo $HF_HOME $PS1${PROMPT_COMMAND[@]}"], settled, "")
    assert said.stdout == "/scratch/hf\n"
    assert said.stderr == ""


def test_aliases_and_files_of_one_s_own_are_read(settled: Path) -> None:
    (settled / ".config/mlsh/aliases.sh").write_text("alias hi='echo hello'\n")
    (settled / ".config/mlsh/rc.d").mkdir()
    (settled / ".config/mlsh/rc.d/mine.sh").write_text("alias ho='echo there'\n")
    assert typed(BASH, settled, "hi\nho\n").stdout == "hello\nthere\n"


def test_a_login_over_ssh_reads_it_where_there_was_no_profile(home: Path) -> None:
    settle(home)
    assert "__mlsh_prompt" in typed(["bash", "-li"], home, "echo ${PROMPT_COMMAND[@]}\n").stdout
    (home / ".profile").write_text("# mine\n")
    settle(home)
    assert "__mlsh_prompt" in typed(["bash", "-li"], home, "echo ${PROMPT_COMMAND[@]}\n").stdout


def test_it_stands_a_strict_shell(settled: Path) -> None:
    (settled / ".bashrc").write_text("set -u\n. ~/.config/mlsh/bashrc\n")
    said = typed(BASH, settled, "cd /tmp\nfalse\necho here\n")
    assert "here" in said.stdout
    assert "unbound" not in said.stderr


# what it costs


def test_the_prompt_starts_no_process(settled: Path) -> None:
    with as_nobody(settled) as (home, become):
        folder = repository(home / "r")
        counted(home, f"{int(time.time()) + 100} 2/8 3\n")
        # Past this limit bash can't fork, and says so.
        lines = f"cd {folder}\nulimit -u 0\nfalse\ncd {folder}/.git\ntrue\necho --done--\n"
        said = typed([*become, *BASH], home, lines)
        assert "--done--" in said.stdout
        assert "fork" not in said.stderr
        assert "[gpu 2/8 jobs 3]" in without_colour(said.stderr)
        assert "(main)" in without_colour(said.stderr)
        # And that this would have been noticed:
        assert complains_of_fork([*become, *BASH], home, "ulimit -u 0\n/bin/true\n")


def test_what_counts_runs_beside_the_prompt_and_once(settled: Path) -> None:
    tools = settled / "bin"
    tools.mkdir()
    (tools / "nvidia-smi").write_text('#!/bin/sh\necho x >>"$HOME/asked"\nprintf "93, 9000\\n0, 3\\n[N/A], 700\\n"\n')
    (tools / "nvidia-smi").chmod(0o755)
    job = settled / ".mlsh/jobs/a"
    job.mkdir(parents=True)
    (job / "state.json").write_text(f'{{"state":"RUNNING","node":"{os.uname().nodename}"}}\n')
    cache = settled / f".cache/mlsh/prompt.{os.uname().nodename}"
    env = {"PATH": f"{tools}:{environment(settled)['PATH']}"}
    lines = "true\ntrue\n" + f"until [ -s '{cache}' ]; do read -t 0.05 <> <(:); done\n" + "true\ntrue\n"
    said = typed(BASH, settled, lines, env)
    when, gpus, jobs = cache.read_text().split()
    assert abs(time.time() - int(when)) < 60
    assert (gpus, jobs) == ("2/3", "1")
    assert (settled / "asked").read_text() == "x\n"
    assert "[gpu 2/3 jobs 1]" in without_colour(said.stderr)
