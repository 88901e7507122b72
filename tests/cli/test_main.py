"""The command line as a whole: codes, help, words for mistakes, and no waiting for what is not needed."""

import json
import subprocess
import sys

import pytest

from mlsh.cli import SECTIONS, VERBS
from mlsh.errors import ExitCode
from tests.bed import Laptop

ALL = sorted(VERBS)
# Third-party or slow modules that a start may not pay for.
HEAVY = {"msgspec", "json", "asyncio", "rich", "tomllib", "subprocess", "paramiko", "libtmux", "textual", "getpass",
         "tempfile", "hashlib", "secrets", "random", "socket", "ssl", "http", "email", "logging",
         "concurrent", "multiprocessing", "importlib.metadata", "mlsh.jobs", "mlsh.box", "mlsh.git",
         "mlsh.records"}  # fmt: skip


def imported(laptop: Laptop, *args: str, env: dict[str, str] | None = None) -> set[str]:
    ran = laptop.command(sys.executable, "-X", "importtime", "-m", "mlsh", *args, env=env)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["ps", "--help"], ["run", "-h"], ["logs", "-h"]])
def test_help_and_version_import_next_to_nothing(laptop: Laptop, words: list[str]) -> None:
    found = imported(laptop, *words)
    # click imports these of its own accord where it likes; what counts is what we add to it.
    plain = laptop.command(sys.executable, "-X", "importtime", "-c", "import click").stderr
    of_click = {line.rpartition("|")[2].strip() for line in plain.splitlines()}
    assert not (found & HEAVY) - of_click
    third_party = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    assert third_party - {name.partition(".")[0] for name in of_click} <= {"mlsh", "click"}
    verbs = {name for name in found if name.startswith("mlsh.cli.") and not name.endswith("options")}
    assert len(verbs - {"mlsh.cli.talk"}) <= 1


def test_completing_a_verb_imports_no_verb(laptop: Laptop) -> None:
    env = {"_MLSH_COMPLETE": "bash_complete", "COMP_WORDS": "mlsh lo", "COMP_CWORD": "1"}
    found = imported(laptop, env=env)
    assert not {name for name in found if name.startswith("mlsh.cli.")}
    assert not found & {"msgspec", "subprocess", "mlsh.jobs", "mlsh.box"}


@pytest.mark.parametrize("verb", ALL)
def test_each_verb_has_help_on_stdout(laptop: Laptop, verb: str) -> None:
    for flag in ("-h", "--help"):
        ran = laptop.run(verb, flag)
        assert ran.stdout.startswith(f"Usage: mlsh {verb}")
        assert ran.stderr == ""
    if verb != "box":
        assert "--explain" in ran.stdout


def test_bare_mlsh_shows_what_there_is(laptop: Laptop) -> None:
    ran = laptop.run(check=False)
    said = ran.stdout + ran.stderr
    for verb in ALL:
        assert f"  {verb} " in said
    assert ran.returncode in (0, 2)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["rnu"], ExitCode.USAGE, "mlsh run"),
        (["pss"], ExitCode.USAGE, "mlsh ps"),
        (["\x1b[2Jx"], ExitCode.USAGE, "\\x1b[2Jx"),
        (["ps", "--frob"], ExitCode.USAGE, "mlsh ps -h"),
        (["--frob"], ExitCode.USAGE, "mlsh -h"),
        (["run"], ExitCode.USAGE, "mlsh run -- python train.py"),
        (["run", "--time", "90", "--no-code", "--", "true"], ExitCode.USAGE, "90s"),
        (["logs"], ExitCode.USAGE, "mlsh logs -h"),
        (["logs", "@"], ExitCode.NOT_FOUND, "mlsh run -- COMMAND"),
        (["logs", "nothing", "--on", "local"], ExitCode.NOT_FOUND, "nothing"),
        (["show", "a b"], ExitCode.REFUSED, "a b"),
        (["show", "--on", "-oProxyCommand=x", "z"], ExitCode.REFUSED, "mlsh box list"),
        (["run", "--on", "nowhere", "--no-code", "--", "true"], ExitCode.UNREACHABLE, "nowhere"),
        (["attach", "@~3"], ExitCode.NOT_FOUND, "mlsh run -- COMMAND"),
        (["run", "--", "true"], ExitCode.REFUSED, "--no-code"),  # the home is no project
        (["run", "--env-file", "none", "--no-code", "--", "true"], ExitCode.NOT_FOUND, "none"),
    ],
)
def test_mistakes_have_a_code_and_a_next_step_and_no_traceback(
    laptop: Laptop, words: list[str], code: ExitCode, says: str
) -> None:
    ran = laptop.run(*words, check=False)
    assert ran.returncode == code, ran
    assert says in ran.stderr
    assert ran.stderr.startswith("mlsh: ")
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert "\x1b" not in ran.stderr
    if "--" not in words:
        again = laptop.run(*words, env={"MLSH_DEBUG": "1"}, check=False)
        assert again.returncode == code
        assert "Traceback" in again.stderr


def test_a_broken_settings_file_is_named(laptop: Laptop) -> None:
    (laptop.home / ".config/mlsh").mkdir(parents=True)
    (laptop.home / ".config/mlsh/config.toml").write_text("[")
    ran = laptop.run("ps", check=False)
    assert ran.returncode == ExitCode.CONFIG
    assert "config.toml" in ran.stderr


def test_jobs_on_this_machine_through_their_whole_life(laptop: Laptop) -> None:
    ran = laptop.run("run", "--no-code", "-n", "one", "--", "sh", "-c", "echo out; exit 3", check=False)
    assert ran.returncode == 3
    assert ran.stdout.replace("\r", "") == "out\n"
    for words in (["ps", "--json"], ["show", "--json", "one"]):
        told = laptop.run(*words)
        job = json.loads(told.stdout)
        assert (job["name"], job["state"], job["exit_code"]) == ("one", "FAILED", 3)
        assert told.stderr == ""
    launched = json.loads(laptop.run("run", "--json", "-d", "--no-code", "--", "true").stdout)
    assert set(launched) == {"id", "box", "name"}
    assert laptop.run("wait", launched["id"]).stdout == ""
    assert "\x1b" not in laptop.run("ps").stdout
    empty = laptop.run("ps", "--tag", "none")
    assert (empty.stdout, "no such jobs" in empty.stderr) == ("", True)


@pytest.mark.parametrize("words", ["ps -a", "--help", "run -h", "logs @"])
def test_a_reader_that_has_seen_enough_is_no_error(laptop: Laptop, words: str) -> None:
    laptop.run("run", "--no-code", "-d", "--", "seq", "100000")
    laptop.run("wait", "@")
    script = f"set -o pipefail; {sys.executable} -m mlsh {words} | head -c 0"
    ran = laptop.command("bash", "-c", script, check=False)
    assert ran.stderr == ""
    assert ran.returncode in (0, 141)


@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(laptop: Laptop, env: dict[str, str], colour: bool) -> None:
    laptop.run("run", "--no-code", "-d", "--", "true")
    laptop.run("wait", "@")
    script = "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'mlsh', 'ps']) >> 8)"
    ran = laptop.command(sys.executable, "-c", script, env=env, input="")
    assert "SUCCEEDED" in ran.stdout
    assert ("\x1b[" in ran.stdout) == colour


def test_the_codes_are_the_documented_ones() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "USAGE": 2, "REFUSED": 65, "NOT_FOUND": 66, "UNREACHABLE": 69, "INTERNAL": 70, "BOX_UNFIT": 71,
        "LOST": 72, "TRY_AGAIN": 75, "LOGIN_REFUSED": 77, "CONFIG": 78, "TIMEOUT": 124, "INTERRUPTED": 130,
    }  # fmt: skip


def test_it_runs_as_a_module_and_as_a_command(laptop: Laptop) -> None:
    said = {laptop.run("-V").stdout, laptop.command("mlsh", "--version").stdout}
    assert len(said) == 1
    assert subprocess.run([sys.executable, "-m", "mlsh", "--version"], check=False, capture_output=True).returncode == 0


def test_the_help_shows_each_verb_once() -> None:
    shown = [verb for verbs in SECTIONS.values() for verb in verbs if verb in VERBS]
    assert sorted(shown) == ALL
