"""`mlsh recipe` as a person uses it: nothing runs by being looked at, a run stops where it fails and goes on there."""

import json
import os
import re
import shlex
import stat
import sys
from pathlib import Path

import pytest

from tests.bed import Box, Laptop, Sit, wait_for
from tests.docs.pages import DOCS, section


@pytest.fixture
def mine(laptop: Laptop) -> Path:
    """The person's own folder of recipes; `mlsh` is on the PATH, as the commands of recipes want it."""
    folder = laptop.home / ".config/mlsh/recipes"
    folder.mkdir(parents=True)
    binary = laptop.home / "bin"
    binary.mkdir()
    command = binary / "mlsh"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mlsh "$@"\n')
    command.chmod(0o755)
    laptop.env["PATH"] = f"{binary}:{laptop.env['PATH']}"
    return folder


def memory(laptop: Laptop) -> Path:
    return laptop.home / ".local/state/mlsh/recipes/memory.json"


STRANGER = """\
% stranger

# Looks\x1b]0;owned\x07 harmless
; mlsh: name trap
touch <what>

$ what: touch RAN; echo RAN2
"""


def test_a_strangers_file_runs_nothing_by_being_read_listed_shown_or_dry_run(laptop: Laptop, mine: Path) -> None:
    (mine / "x.cheat").write_text(STRANGER)
    for words in (["list"], ["list", "harmless", "--json"], ["show", "trap"],
                  ["show", "--json", "trap"], ["run", "--dry-run", "trap"]):  # fmt: skip
        said = laptop.run("recipe", *words)
        assert "\x1b" not in said.stdout + said.stderr
    assert "touch RAN" in laptop.run("recipe", "show", "trap").stdout
    assert "touch <what>\n" in laptop.run("recipe", "show", "--raw", "trap").stdout
    # Nobody can be asked, so it does not run either.
    refused = laptop.run("recipe", "run", "trap", "GIVEN", check=False)
    assert refused.returncode == 2
    assert "mlsh recipe show trap" in refused.stderr
    assert not [name for name in os.listdir(laptop.home) if name in {"RAN", "RAN2", "GIVEN"}]


def test_a_strangers_recipe_is_shown_and_asked_for_before_its_first_run(
    laptop: Laptop, mine: Path, sit_down: Sit
) -> None:
    (mine / "x.cheat").write_text(STRANGER)
    terminal = sit_down("recipe", "run", "trap")
    terminal.shows("Is it what you want to run?")
    assert not (laptop.home / "RAN").exists()
    terminal.type("n\n")
    assert terminal.ends() == 130
    assert not (laptop.home / "RAN").exists()
    terminal = sit_down("recipe", "run", "trap")
    terminal.shows("Is it what")
    terminal.type("y\n")
    terminal.shows("from: touch RAN")  # the command that lists choices is shown, and runs now
    terminal.shows("RAN2")
    terminal.type("\n")
    terminal.shows("Run this?")
    terminal.type("\n")
    assert terminal.ends() == 0
    assert (laptop.home / "RAN2").exists()
    assert b"\x1b]0" not in terminal.seen
    # What was agreed to holds for this text alone.
    laptop.run("recipe", "run", "trap", "again")
    (mine / "x.cheat").write_text(STRANGER.replace("echo RAN2", "echo RAN3"))
    assert laptop.run("recipe", "run", "trap", "again", check=False).returncode == 2


def test_a_default_that_became_a_command_is_asked_about_again(laptop: Laptop, mine: Path) -> None:
    (mine / "x.cheat").write_text("# Say\n; mlsh: <a> default=x\necho <a>\n")
    assert laptop.run("recipe", "run", "-y", "say").stdout == "x\n"
    assert laptop.run("recipe", "run", "say").stdout == "x\n"
    (mine / "x.cheat").write_text("# Say\n; mlsh: <a> default='x; touch RAN' raw\necho <a>\n")
    assert laptop.run("recipe", "run", "say", check=False).returncode == 2
    assert "touch RAN" in laptop.run("recipe", "show", "say").stdout
    assert not (laptop.home / "RAN").exists()


def test_all_that_a_recipe_can_run_is_shown(laptop: Laptop, mine: Path) -> None:
    (mine / "x.cheat").write_text(
        "# Deep\necho <a>\n$ a: echo $b <c> --- --map 'touch MAP; cat'\n$ b: touch B\n$ c: touch C\n$ d: touch UNUSED\n"
    )
    shown = laptop.run("recipe", "show", "deep").stdout
    for command in ("echo $b <c>", "touch MAP; cat", "touch B", "touch C"):
        assert command in shown
    assert "UNUSED" not in shown


def test_a_run_stops_at_the_step_that_fails_and_goes_on_there_with_all_that_was_set(laptop: Laptop, mine: Path) -> None:
    laptop.run(
        "recipe", "add", "build", "mkdir -p 'a b'; cd 'a b'; X='one two'; say() { echo \"$X in ${PWD##*/}\"; }; "
        "export MY_TOKEN=$(printf hid; printf den)", "echo first >>../log", "test -e ../ready",
        "say >>../log <&0; echo \"<end>\" >>../log",
    )  # fmt: skip
    said = laptop.run("recipe", "run", "build", "end='$(id)'", check=False)
    assert said.returncode == 1
    assert "[3/4] test -e ../ready" in said.stderr
    assert "mlsh recipe run build --resume" in said.stderr
    assert "MY_TOKEN" in said.stderr
    assert laptop.run("recipe", "run", "build", "--resume", check=False).returncode == 1
    assert stat.S_IMODE(memory(laptop).stat().st_mode) == 0o600
    for path in memory(laptop).parent.rglob("*"):
        assert path.is_file() or stat.S_IMODE(path.stat().st_mode) == 0o700, path
        assert not path.is_file() or "hidden" not in path.read_text()
    (laptop.home / "ready").touch()
    again = laptop.run("recipe", "run", "build", "--resume")
    assert "[1/4]" not in again.stderr
    assert (laptop.home / "log").read_text() == "first\none two in a b\n'$(id)'\n"
    assert not list((memory(laptop).parent / "runs").iterdir())
    nothing = laptop.run("recipe", "run", "build", "--resume", check=False)
    assert nothing.returncode == 66


def test_a_changed_recipe_is_not_resumed_in_the_middle_of_something_else(laptop: Laptop, mine: Path) -> None:
    laptop.run("recipe", "add", "two", "true", "false")
    laptop.run("recipe", "run", "two", check=False)
    sheet = mine / "mine.cheat"
    sheet.write_text(sheet.read_text().replace("\ntrue", "\necho new"))
    said = laptop.run("recipe", "run", "-y", "two", "--resume", check=False)
    assert said.returncode == 2
    assert "--from 2" in said.stderr


def test_the_code_of_the_step_is_passed_on_and_begin_can_be_chosen(laptop: Laptop, mine: Path) -> None:
    laptop.run("recipe", "add", "codes", "echo one", "exit 7")
    assert laptop.run("recipe", "run", "codes", check=False).returncode == 7
    said = laptop.run("recipe", "run", "codes", "--from", "2", check=False)
    assert (said.returncode, said.stdout) == (7, "")
    assert laptop.run("recipe", "run", "codes", "--from", "3", check=False).returncode == 2


def test_values_are_given_by_name_or_place_and_a_slip_is_named(laptop: Laptop, mine: Path) -> None:
    laptop.run("recipe", "add", "say", "printf '%s|' <a> <b>", "--default", "b=x y")
    assert laptop.run("recipe", "run", "say", "1").stdout == "1|x y|"
    assert laptop.run("recipe", "run", "say", "b=k=v", "first").stdout == "first|k=v|"
    assert laptop.run("recipe", "run", "say", "--last").stdout == "first|k=v|"
    for words, hint in ((["c=1"], "no parameter c"), (["1", "2", "3"], "takes 2 values"), ([], "needs a value for a")):
        said = laptop.run("recipe", "run", "say", *words, check=False)
        assert said.returncode == 2
        assert hint in said.stderr
    assert laptop.run("recipe", "run", "say", "it's; $(id)").stdout == "it's; $(id)|x y|"


def test_a_secret_is_asked_for_and_is_nowhere_afterwards(laptop: Laptop, mine: Path, sit_down: Sit) -> None:
    laptop.run("recipe", "add", "login", "printf '%s' '<token>' >got; tr '\\0' ' ' </proc/$$/cmdline >argv")
    said = laptop.run("recipe", "run", "login", "token=hf_abc", check=False)
    assert said.returncode == 2
    assert "ps" in said.stderr
    terminal = sit_down("recipe", "run", "login")
    terminal.shows("is not shown")
    terminal.type("s3cr3t value\n")
    terminal.shows("Run this?")
    terminal.type("\n")
    assert terminal.ends() == 0
    assert (laptop.home / "got").read_text() == "s3cr3t value"
    assert b"s3cr3t" not in terminal.seen
    assert "s3cr3t" not in (laptop.home / "argv").read_text()
    assert "s3cr3t" not in memory(laptop).read_text()
    laptop.run("recipe", "run", "login", env={"MLSH_SECRET_token": "by variable"})
    assert (laptop.home / "got").read_text() == "by variable"
    # The plain name does not tell it, the value does.
    laptop.run("recipe", "add", "fetch", "true <url>")
    laptop.run("recipe", "run", "fetch", "https://ada:hunter2hunter2@example.org/x")
    assert "hunter2" not in memory(laptop).read_text()


def test_choices_come_from_a_command_in_the_columns_that_navi_knows(laptop: Laptop, mine: Path, sit_down: Sit) -> None:
    (mine / "x.cheat").write_text(
        "% x\n# Pick\n; mlsh: name pick\nprintf '%s|' <size> <files>\n\n"
        "$ kind: printf 'small\\nlarge\\n'\n"
        "$ size: printf 'NAME   SIZE\\n%s   4 GiB\\nother   8 GiB\\n' \"$kind\" "
        "--- --column 2 --header-lines 1 --prevent-extra\n"
        "$ files: printf 'a b\\nc\\nd\\n' --- --multi --expand\n"
    )
    terminal = sit_down("recipe", "run", "pick")
    terminal.shows("Is it what")
    terminal.type("y\n")
    terminal.shows("2  large")
    terminal.type("2\n")  # what the choices of another parameter depend on is asked for first
    terminal.shows("large   4 GiB")
    terminal.type("nonsense\n")
    terminal.shows("not nonsense")
    terminal.type("8 GiB\n")
    terminal.shows("a b")
    terminal.type("1, d\n")
    terminal.shows("Run this?")
    terminal.type("y\n")
    assert terminal.ends() == 0
    assert b"8 GiB|a b|d|" in terminal.seen


FZF = """\
#!/bin/sh
cat >~/offered
printf '%s\\n' "$@" >~/asked
printf 'typed\\n'
[ -z "$FZF_NONE" ] || exit 1
sed -n 25p ~/offered
"""


def test_many_choices_are_chosen_with_fzf_where_it_is(laptop: Laptop, mine: Path, sit_down: Sit) -> None:
    laptop.run("recipe", "add", "pick", "echo got <n>", "--choices", "n=seq -f 'line\t%g' 40")
    fzf = laptop.home / "bin/fzf"
    fzf.write_text(FZF)
    fzf.chmod(0o755)
    terminal = sit_down("recipe", "run", "pick")
    terminal.shows("Run this?")
    terminal.type("\n")
    assert terminal.ends() == 0
    assert b"got line\t25" in terminal.seen or b"got line    25" in terminal.seen
    assert (laptop.home / "offered").read_text().splitlines()[0] == "0\tline\\t1"
    terminal = sit_down("recipe", "run", "pick", env={"FZF_NONE": "1"})
    terminal.shows("echo got typed")
    terminal.type("n\n")
    assert terminal.ends() == 130


def test_what_cannot_be_undone_wants_a_yes(laptop: Laptop, mine: Path) -> None:
    laptop.run("recipe", "add", "wipe", "echo wiped", "--careful")
    said = laptop.run("recipe", "run", "wipe", check=False)
    assert said.returncode == 2
    assert "--dry-run" in said.stderr
    assert laptop.run("recipe", "run", "-y", "wipe").stdout == "wiped\n"


def test_dry_run_prints_what_can_be_pasted_and_asks_nothing(laptop: Laptop, mine: Path) -> None:
    laptop.run("recipe", "add", "say", "echo <a> <b>", "--choices", "b=touch RAN")
    said = laptop.run("recipe", "run", "--dry-run", "say", "a b")
    assert said.stdout == "echo 'a b' <b>\n"
    assert "no value yet for: b" in said.stderr
    assert not (laptop.home / "RAN").exists()
    assert not (memory(laptop).parent / "runs").exists()


def test_ctrl_c_ends_the_step_and_the_run_can_go_on(laptop: Laptop, mine: Path, sit_down: Sit) -> None:
    laptop.run("recipe", "add", "long", "echo ready", "test -e go || exec sleep 600", "echo 'the end'")
    terminal = sit_down("recipe", "run", "long")
    terminal.shows("Run this?")
    terminal.type("\n")
    terminal.shows("[2/3]")
    wait_for(lambda: any(b"sleep\x00600" in _cmdline(pid) for pid in laptop.processes()), 20, "the second step")
    os.killpg(terminal.process.pid, 2)
    assert terminal.ends() == 130
    (laptop.home / "go").touch()
    assert laptop.run("recipe", "run", "long", "--resume").stdout == "the end\n"


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# On a box


def test_on_a_box_it_is_a_job_and_the_secret_is_in_no_command_line(laptop: Laptop, mine: Path, gpu1: Box) -> None:
    laptop.add(gpu1)
    laptop.run(
        "recipe", "add", "there", "hostname; cd /tmp", "echo \"$PWD <what> ${#x}\" '<token>'", "test -e ~/nothing"
    )
    plan = laptop.run("recipe", "run", "there", "what=a", "--on", "gpu1", "--dry-run")
    assert "hostname; cd /tmp" in plan.stdout
    said = laptop.run(
        "recipe", "run", "there", "what=it's", "--on", "gpu1", env={"MLSH_SECRET_token": "s3cr3t"}, check=False
    )
    assert said.returncode == 1
    log = said.stdout.replace("\r", "")
    assert "[1/3] hostname; cd /tmp\ngpu1\n" in log
    assert "/tmp it's 0 s3cr3t" in log
    assert "mlsh recipe run there --on gpu1 --from 3" in log
    gpu1.sh("touch ~/nothing")
    again = laptop.run(
        "recipe", "run", "there", "--last", "--on", "gpu1", "--from", "3", env={"MLSH_SECRET_token": "s3cr3t"}
    )
    assert "[3/3]" in again.stdout
    shown = laptop.run("show", "@").stdout
    assert "s3cr3t" not in shown
    assert "there" in laptop.run("ps", "-a").stdout


def test_a_box_without_bash_runs_it_with_its_sh(laptop: Laptop, mine: Path, gpu1: Box) -> None:
    gpu1.login_shell("/bin/sh")
    laptop.add(gpu1)
    laptop.run("recipe", "add", "plain", 'echo "shell ${BASH_VERSION:-none}"')
    assert "shell 5" in laptop.run("recipe", "run", "plain", "--on", "gpu1").stdout
    gpu1.hide("bash")
    try:
        assert "shell none" in laptop.run("recipe", "run", "plain", "--on", "gpu1").stdout
    finally:
        gpu1.unhide("bash")
        gpu1.login_shell("/bin/bash")


def test_options_of_jobs_want_a_box(laptop: Laptop, mine: Path) -> None:
    said = laptop.run("recipe", "run", "port-free", "-d", check=False)
    assert said.returncode == 2
    assert "--on local" in said.stderr


# Kept


def test_what_was_typed_becomes_a_recipe_without_its_secrets(laptop: Laptop, mine: Path) -> None:
    (laptop.home / ".bash_history").write_text(
        "old\nss -ltnp 'sport = :8888'\n"
        "curl -H 'Authorization: Bearer hf_QmZ8rT1xVbN4kLpW7sYdGhJ2cFaE9uXoRi' http://gpu1:8888/v1 <in>out\n"
        "mlsh recipe list\n"
    )
    said = laptop.run(
        "recipe", "save", "probe", "-n", "2", "--param", "port=8888", "-m", "Ask the server", "--tag", "vllm"
    )
    assert "secret" in said.stderr
    text = (mine / "mine.cheat").read_text()
    assert "QmZ8" not in text
    shown = json.loads(laptop.run("recipe", "show", "probe", "--json").stdout)
    assert [step["text"] for step in shown["steps"]] == [
        "ss -ltnp 'sport = :<port>'",
        "curl -H 'Authorization: Bearer <secret>' http://gpu1:<port>/v1 < in>out",
    ]
    assert {one["name"]: (one["default"], one["secret"]) for one in shown["parameters"]} == {
        "port": ("8888", False), "secret": (None, True),
    }  # fmt: skip
    again = laptop.run("recipe", "save", "probe", check=False)
    assert again.returncode == 65
    assert "mlsh recipe edit probe" in again.stderr
    piped = laptop.run("recipe", "save", "piped", "--from", "-", input="  501  echo a\n  502* echo <x>\n")
    assert "parameter: x" in piped.stderr
    assert laptop.run("recipe", "run", "piped", "1").stdout == "a\n1\n"


def test_a_file_of_yours_keeps_its_mode_link_and_text(laptop: Laptop, mine: Path) -> None:
    real = laptop.home / "dotfiles.cheat"
    real.write_text("; mine\n# Mine\nls  # no newline at the end")
    real.chmod(0o640)
    (mine / "mine.cheat").symlink_to(real)
    laptop.run("recipe", "add", "more", "pwd")
    assert (mine / "mine.cheat").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_text().startswith("; mine\n# Mine\nls  # no newline at the end\n\n% more\n")
    assert laptop.run("recipe", "list", "--plain", "--tag", "mine").stdout == "mine\nmore\n"


EDITOR = """\
#!/bin/sh
for file; do :; done
sed -i "$EDITS" "$file"
exit ${EDITOR_CODE:-0}
"""


@pytest.fixture
def editor(laptop: Laptop, mine: Path) -> Path:
    path = laptop.home / "bin/ed it"
    path.write_text(EDITOR)
    path.chmod(0o755)
    laptop.env["EDITOR"] = f"'{path}' --wait"
    return path


def test_editing_a_recipe_of_the_book_gives_you_your_own(laptop: Laptop, mine: Path, editor: Path) -> None:
    laptop.run("recipe", "edit", "port-list", env={"EDITS": "s/^ss .*/echo mine/"})
    assert laptop.run("recipe", "run", "port-list").stdout == "echo mine\n".removeprefix("echo ")
    assert (mine / "mine.cheat").exists()
    same = laptop.run("recipe", "edit", "port-list", env={"EDITS": ""})
    assert "nothing was changed" in same.stderr


def test_an_editor_that_leaves_a_backup_is_fine(laptop: Laptop, mine: Path, editor: Path) -> None:
    editor.write_text(EDITOR.replace("sed -i", "sed -i~"))
    laptop.run("recipe", "add", "x", "echo x")
    temporary = laptop.home / "tmp"
    temporary.mkdir()
    said = laptop.run("recipe", "edit", "x", env={"EDITS": "s/echo x/echo y/", "TMPDIR": str(temporary)})
    assert "written" in said.stderr
    assert os.listdir(temporary) == []


def test_a_draft_that_nobody_changed_is_not_written(laptop: Laptop, mine: Path, editor: Path) -> None:
    assert "nothing was changed" in laptop.run("recipe", "add", "y", env={"EDITS": ""}).stderr
    assert os.listdir(mine) == []
    laptop.run("recipe", "add", "x", "echo x")
    before = (mine / "mine.cheat").read_text()
    assert "nothing was changed" in laptop.run("recipe", "add", "y", env={"EDITS": ""}).stderr
    assert (mine / "mine.cheat").read_text() == before
    # With a command it is one.
    laptop.run("recipe", "add", "y", env={"EDITS": "$s/$/echo y/"})
    assert laptop.run("recipe", "run", "y").stdout == "y\n"


def test_a_draft_in_a_window_that_is_still_open_is_kept(laptop: Laptop, mine: Path, editor: Path) -> None:
    laptop.env["EDITOR"] = laptop.env["EDITOR"].removesuffix(" --wait")
    said = laptop.run("recipe", "add", "y", env={"EDITS": ""}).stderr
    (copy,) = re.findall("is in (/.*) only", said)
    assert "name y" in Path(copy).read_text()
    assert os.listdir(mine) == []


def test_an_editor_that_fails_loses_nothing(laptop: Laptop, mine: Path, editor: Path) -> None:
    laptop.run("recipe", "add", "x", "echo x")
    before = (mine / "mine.cheat").read_text()
    said = laptop.run("recipe", "edit", "x", env={"EDITS": "s/echo x/echo y/", "EDITOR_CODE": "1"}, check=False)
    assert said.returncode != 0
    assert (mine / "mine.cheat").read_text() == before
    kept = Path(said.stderr.split("is kept: ")[1].strip())
    assert "echo y" in kept.read_text()


def test_a_strangers_file_is_copied_and_still_asked_about(laptop: Laptop, mine: Path) -> None:
    (laptop.home / "team.cheat").write_text(STRANGER)
    laptop.run("recipe", "add", "--from", "team.cheat")
    assert (mine / "team.cheat").read_text() == STRANGER
    assert laptop.run("recipe", "run", "trap", "x", check=False).returncode == 2
    again = laptop.run("recipe", "add", "--from", "team.cheat", check=False)
    assert again.returncode == 65
    for bad, text in (("b", "\xff\n"), ("c", "no recipe\n"), ("d", "# x\n\0\n")):
        (laptop.home / f"{bad}.cheat").write_bytes(text.encode("latin-1"))
        assert laptop.run("recipe", "add", "--from", f"{bad}.cheat", check=False).returncode == 65
    assert laptop.run("recipe", "add", "--from", "nothing.cheat", check=False).returncode == 66


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a\nb", "*", "!prod", "$(id)", "../x", ""])
def test_a_hostile_name_is_refused(laptop: Laptop, mine: Path, name: str) -> None:
    said = laptop.run("recipe", "add", "--", name, "ls", check=False)
    assert said.returncode == 65
    assert not list(mine.iterdir())
    assert laptop.run("recipe", "add", "x", "ls", "--sheet", name or "/", check=False).returncode == 65


def test_one_bad_file_keeps_nobody_from_the_others(laptop: Laptop, mine: Path) -> None:
    os.mkfifo(mine / "pipe.cheat")
    (mine / "latin.cheat").write_bytes(b"# caf\xe9\nls\n")
    (mine / "gone.cheat").symlink_to("nowhere")
    (mine / "good.cheat").write_text("# Good\nls\n$ x : ls --- --column y\n")
    said = laptop.run("recipe", "list", "good")
    assert "Good" in said.stdout
    for name in ("pipe.cheat is no plain file", "latin.cheat: line 1", "gone.cheat", "good.cheat:3:"):
        assert name in said.stderr


def test_navis_own_files_and_tldr_pages_are_read_where_they_are(laptop: Laptop, mine: Path) -> None:
    navi = laptop.home / ".local/share/navi/cheats/team__repo"
    navi.mkdir(parents=True)
    (navi / "a.cheat").write_text("# From navi\necho navi\n")
    assert "From navi" in laptop.run("recipe", "list", "from navi").stdout
    pages = laptop.home / ".cache/tealdeer/tldr-pages/pages.en/common"
    pages.mkdir(parents=True)
    (pages / "tar.md").write_text("# tar\n\n> Archives\x1b[2J.\n\n`tar xf {{file}}`\n")
    shown = laptop.run("recipe", "show", "tar")
    assert "tar xf {{file}}" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "to read" in shown.stderr
    assert laptop.run("recipe", "run", "tar", check=False).returncode == 66
    assert laptop.run("recipe", "show", "../../x", check=False).returncode == 66


def test_a_name_is_found_by_its_beginning_and_a_slip_gets_a_hint(laptop: Laptop, mine: Path) -> None:
    assert laptop.run("recipe", "show", "port-fr").stdout.startswith("port-free")
    assert "port-list" in laptop.run("recipe", "show", "port-", check=False).stderr
    said = laptop.run("recipe", "show", "prot-free", check=False)
    assert said.returncode == 66
    assert "port-free" in said.stderr
    assert laptop.run("recipe", "show", "ports:port-free").stdout.startswith("port-free")


def test_the_fields_of_json_are_those_that_the_reference_promises(laptop: Laptop) -> None:
    text = section((DOCS / "reference/json.md").read_text(), "recipe")
    promised = set(re.findall(r"`([a-z_]+)`", text)) - {"book", "yours", "navi", "null"}
    listed = json.loads(laptop.run("recipe", "list", "--json", "disk").stdout.splitlines()[0])
    one = json.loads(laptop.run("recipe", "show", "--json", "port-kill").stdout)
    assert {*listed, *one, *one["steps"][0], *one["parameters"][0]} == promised
