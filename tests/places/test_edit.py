"""`mlsh edit`: whatever goes wrong, what was typed is on this machine, and nothing of anybody else's is lost."""

import contextlib
import os
import re
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsh.places import editing, scripts
from tests.bed import Box, Laptop, Sit, wait_for

EDITOR = """\
#!/bin/sh
for file; do :; done
printf '%s' "$file" >~/edited
[ -z "$WAITS" ] || { touch ~/open; while [ ! -e ~/go ]; do sleep 0.05; done; }
[ -z "$TYPES" ] || printf '%s' "$TYPES" >"$file"
exit ${EDITOR_CODE:-0}
"""


@pytest.fixture
def ada(laptop: Laptop, gpu1: Box) -> Iterator[Laptop]:
    """A person with an editor that writes $TYPES, and a box whose home is empty."""
    laptop.add(gpu1)
    path = laptop.home / "my editor"
    path.write_text(EDITOR)
    path.chmod(0o755)
    laptop.env["EDITOR"] = f"{shlex.quote(str(path))} -x"
    yield laptop
    gpu1.clean()


def edit(laptop: Laptop, what: str, types: str, *words: str, code: int = 0, check: bool = True) -> str:
    env = {"TYPES": types, "EDITOR_CODE": str(code)}
    ran = laptop.run("edit", what, *words, env=env, check=check)
    assert "Traceback" not in ran.stderr
    return ran.stderr


def kept(laptop: Laptop) -> list[Path]:
    """The copies that are on the laptop."""
    return sorted((laptop.home / ".local/state/mlsh/edits").glob("*/copy/*"))


def named(said: str) -> Path:
    """The copy that an error names."""
    found = re.search(r"what you wrote is in (\S+)", said)
    assert found, said
    return Path(found[1].rstrip(";,"))


def test_a_file_is_saved_back_with_its_mode_and_behind_its_link(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/real/conf.yaml", "lr: 1\n", 0o640)
    gpu1.sh("ln -s real/conf.yaml link; touch -d '2 days ago' real/conf.yaml")
    assert edit(ada, "gpu1:link", "lr: 2 ' $(id)\n") == "mlsh: saved: gpu1:link\n"
    assert gpu1.sh("cat link; readlink link; stat -c %a real/conf.yaml; ls -A real").stdout == (
        "lr: 2 ' $(id)\nreal/conf.yaml\n640\nconf.yaml\n"
    )
    # Tools that look at the time see that it changed.
    assert gpu1.path("~/real/conf.yaml").stat().st_mtime > time.time() - 3600
    assert (ada.home / "edited").read_text().endswith("/link")
    assert kept(ada) == []


def test_nothing_is_written_where_nothing_was_changed(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/a", "same")
    before = gpu1.path("~/a").stat()
    ada.env["EDITOR"] += " --wait"
    assert "nothing was changed" in edit(ada, "gpu1:a", "")
    assert "nothing was changed" in edit(ada, "gpu1:a", "same")
    assert gpu1.path("~/a").stat().st_ino == before.st_ino
    assert kept(ada) == []


def test_a_window_that_is_still_open_keeps_its_file(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/a b", "old")
    said = edit(ada, "gpu1:a b", "")
    assert "nothing was changed, but the editor ended at once" in said
    (copy,) = kept(ada)
    copy.write_text("written in the window")
    (words,) = re.findall("mlsh (edit --save .*)", said)
    assert "saved" in ada.run(*shlex.split(words)).stderr
    assert gpu1.path("~/a b").read_text() == "written in the window"
    assert kept(ada) == []


@pytest.mark.parametrize("name", [".mlsh-edit.json", ".mlsh-before"])
def test_a_file_that_is_called_as_ours_are_is_edited_like_any(ada: Laptop, gpu1: Box, name: str) -> None:
    gpu1.write(f"~/{name}", "theirs\n")
    ada.env["EDITOR"] = "sh -c 'echo mine >>\"$0\"'"
    ada.run("edit", f"gpu1:{name}")
    assert gpu1.path(f"~/{name}").read_text() == "theirs\nmine\n"


@pytest.mark.parametrize("path", ["-rf it's $(id)", "a\nb:*ü"])
def test_new_files_and_names_that_mean_something_to_a_shell(ada: Laptop, gpu1: Box, path: str) -> None:
    assert "is new" in edit(ada, f"gpu1:{path}", "hello")
    assert gpu1.path(f"{gpu1.home}/{path}").read_text() == "hello"
    assert stat.S_IMODE(gpu1.path(f"{gpu1.home}/{path}").stat().st_mode) == 0o644
    ada.run("edit", "--on", "gpu1", "--", path)
    edit(ada, f"gpu1:~/{path}", "again")
    assert gpu1.path(f"{gpu1.home}/{path}").read_text() == "again"
    # A new file that nobody wrote is none.
    assert "nothing was changed" in edit(ada, "gpu1:never", "")
    assert "never" not in gpu1.sh("ls").stdout


def test_bytes_stay_bytes(ada: Laptop, gpu1: Box) -> None:
    odd = bytes(range(1, 256)) * 100
    gpu1.write("~/odd", "").write_bytes(odd)
    ada.env["EDITOR"] = 'sh -c \'printf "\\\\000\\\\n" >>"$0"\''
    ada.run("edit", "gpu1:odd")
    assert gpu1.path("~/odd").read_bytes() == odd + b"\0\n"


def test_a_change_by_somebody_else_is_noticed_and_both_texts_are_there(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/shared", "first")
    with editing_of(ada, "gpu1:shared", "mine") as end:
        gpu1.write("~/shared", "theirs")
        code, said = end()
    assert code == 75
    assert gpu1.path("~/shared").read_text() == "theirs"
    copy = named(said)
    assert copy.read_text() == "mine"
    assert (copy.parent.parent / ".mlsh-before").read_text() == "first"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert ada.run("edit", "--save", str(copy), check=False).returncode == 75
    assert "saved" in ada.run("edit", "--save", str(copy), "--force").stderr
    assert gpu1.path("~/shared").read_text() == "mine"
    assert kept(ada) == []


@contextlib.contextmanager
def editing_of(laptop: Laptop, what: str, types: str):  # type: ignore[no-untyped-def]
    """An editor that is open; `end()` closes it, and returns the exit code and what was said."""
    process = laptop.spawn("edit", what, env={"WAITS": "1", "TYPES": types})
    wait_for((laptop.home / "open").exists, 30, "the editor")

    def end() -> tuple[int, str]:
        (laptop.home / "go").touch()
        _, said = process.communicate(timeout=90)
        return process.returncode, said.decode()

    yield end


@pytest.mark.parametrize("change", ["rm new", "mkdir new", "rm -r dir"])
def test_a_file_that_came_or_went_meanwhile_is_a_conflict(ada: Laptop, gpu1: Box, change: str) -> None:
    gpu1.sh("mkdir -p dir; touch dir/x")
    path = "dir/x" if "dir" in change and change != "mkdir new" else "new"
    if change == "rm new":
        gpu1.write("~/new", "there")
    with editing_of(ada, f"gpu1:{path}", "mine") as end:
        gpu1.sh(change)
        code, said = end()
    assert code != 0
    assert named(said).read_text() == "mine"


def test_a_full_disk_leaves_the_file_as_it_was(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/conf", "old\n")
    gpu1.sh("ln conf second; echo plain >plain")
    gpu1.fill_disk(leave_kib=32)
    try:
        for name in ("plain", "conf"):
            said = edit(ada, f"gpu1:{name}", "x" * 100_000, check=False)
            assert "o space" in said, said
            assert len(named(said).read_text()) == 100_000
        assert gpu1.sh("cat plain conf second; ls -A | grep mlsh-edit; true").stdout == "plain\nold\nold\n"
    finally:
        gpu1.free_disk()
    # What failed can be saved once there is room.
    ada.run("edit", "--save", str(named(said)))
    assert gpu1.sh("wc -c <second").stdout.strip() == "100000"


def test_one_name_among_several_stays_one_of_them(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/one", "a longer text than comes\n")
    gpu1.sh("ln one two; chmod 600 one")
    edit(ada, "gpu1:one", "short\n")
    assert gpu1.sh("cat two; stat -c '%h %a' one").stdout == "short\n2 600\n"


def test_somebody_elses_file_stays_theirs(ada: Laptop, gpu1: Box) -> None:
    gpu1.sh(
        f"mkdir ~{gpu1.user}/team && cd ~{gpu1.user}/team && echo theirs >f && chmod 666 f && chown {gpu1.user} .",
        user="root",
    )
    edit(ada, "gpu1:team/f", "changed\n")
    assert gpu1.sh("cat team/f; stat -c '%U %a' team/f; ls -A team").stdout == "changed\nroot 666\nf\n"
    gpu1.sh(f"chmod 555 ~{gpu1.user}/team", user="root")
    edit(ada, "gpu1:team/f", "again\n")
    assert gpu1.sh("cat team/f; stat -c '%U %a' team/f; ls -A team").stdout == "again\nroot 666\nf\n"
    gpu1.sh(f"chmod 700 ~{gpu1.user}/team", user="root")


def test_what_is_read_only_says_so_before_and_keeps_what_was_typed(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/ro", "fixed", 0o444)
    said = edit(ada, "gpu1:ro", "mine", check=False)
    assert "read-only" in said
    assert gpu1.path("~/ro").read_text() == "fixed"
    gpu1.sh("chmod 644 ro")
    ada.run("edit", "--save", str(named(said)))
    assert gpu1.path("~/ro").read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [("mkdir x", 65, "folder"), ("mkfifo x", 65, "pipe"), ("touch x; chmod 0 x", 70, "can't be read"),
     ("ln -s no/such x", 66, "no such folder"), ("truncate -s 70M x", 65, "70 MiB"), ("ln -s x x", 66, "folder")],
)  # fmt: skip
def test_what_can_not_be_edited_is_told_before_the_editor_opens(
    ada: Laptop, gpu1: Box, make: str, code: int, says: str
) -> None:
    gpu1.sh(make)
    ran = ada.run("edit", "gpu1:x", check=False)
    assert (ran.returncode, says in ran.stderr) == (code, True), ran.stderr
    assert not (ada.home / "edited").exists()
    assert kept(ada) == []


@pytest.mark.parametrize("folder", ["plain/x", "it's a/folder", "~/below"])
def test_the_command_for_a_missing_folder_can_be_pasted(ada: Laptop, gpu1: Box, folder: str) -> None:
    ran = ada.run("edit", f"gpu1:{folder}/file", check=False)
    assert ran.returncode == 66
    words = shlex.split(ran.stderr.partition("make it: ")[2])
    assert words[:2] == ["ssh", "gpu1"]
    ada.ssh("gpu1", words[2])
    assert gpu1.path(f"~/{folder.removeprefix('~/')}").is_dir()


@pytest.mark.parametrize(
    ("words", "code"),
    [([], 2), (["x"], 2), (["gpu1:"], 65), (["gpu1:dir/"], 65), (["-oProxyCommand=touch RAN:x"], 2),
     (["--force", "gpu1:x"], 2), (["a b:x"], 65), (["--save", "/etc/passwd"], 66), (["--save", "x", "gpu1:x"], 2),
     (["--", "-oProxyCommand=touch RAN:x"], 65)],
)  # fmt: skip
def test_bad_input_is_one_clear_message(ada: Laptop, words: list[str], code: int) -> None:
    ran = ada.run("edit", *words, check=False)
    assert ran.returncode == code
    assert ran.stderr.startswith("mlsh: ")
    assert "Traceback" not in ran.stderr
    assert not (ada.home / "RAN").exists()


def test_an_editor_that_fails_or_is_missing_changes_nothing(ada: Laptop, gpu1: Box) -> None:
    gpu1.write("~/a", "old")
    said = edit(ada, "gpu1:a", "half", code=3, check=False)
    assert gpu1.path("~/a").read_text() == "old"
    assert named(said).read_text() == "half"
    ada.env["EDITOR"] = "/no/such/editor"
    ran = ada.run("edit", "gpu1:a", check=False)
    assert ran.returncode != 0
    assert "/no/such/editor" in ran.stderr
    assert gpu1.path("~/a").read_text() == "old"


def test_a_box_that_goes_away_while_you_type_costs_nothing(ada: Laptop, fresh_box: Box) -> None:
    ada.add(fresh_box)
    fresh_box.write("~/a", "old")
    with editing_of(ada, "fresh:a", "typed for an hour") as end:
        fresh_box.halt()
        code, said = end()
    assert code == 69
    copy = named(said)
    assert copy.read_text() == "typed for an hour"
    fresh_box.boot()
    ada.run("edit", "--save", str(copy))
    assert fresh_box.path("~/a").read_text() == "typed for an hour"


def test_a_save_whose_answer_was_lost_is_not_a_conflict(
    ada: Laptop, gpu1: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ada.env.items():
        monkeypatch.setenv(name, value)
    from mlsh.box import open_box

    gpu1.write("~/a", "old")
    box = open_box("gpu1")
    before = editing.read(box, "a").before
    editing.write(box, "a", before, b"new")
    editing.write(box, "a", before, b"new")
    with pytest.raises(editing.Changed):
        editing.write(box, "a", before, b"newer")
    # Half of it is not written.
    words = ("a", editing.ANY, editing.sha256(b"whole"), "5")
    ran, answer = scripts.call(box, "write", *words, stdin=b"who", reads="a part")
    assert (ran.returncode, scripts.error_word(answer)[0]) == (scripts.FAILED, "cut")
    assert gpu1.path("~/a").read_text() == "new"
    assert "mlsh-edit" not in gpu1.sh("ls -A").stdout


def test_it_works_with_busybox_and_with_a_shell_that_talks(ada: Laptop, fresh_box: Box) -> None:
    ada.add(fresh_box)
    fresh_box.busybox_userland()
    fresh_box.write("~/.bashrc", "echo welcome; echo to this box >&2\n")
    fresh_box.write("~/a b", "old\n", 0o600)
    edit(ada, "fresh:a b", "new\n")
    assert fresh_box.path("~/a b").read_text() == "new\n"
    assert stat.S_IMODE(fresh_box.path("~/a b").stat().st_mode) == 0o600
    fresh_box.sh("ln 'a b' c")
    edit(ada, "fresh:c", "x\n")
    assert fresh_box.path("~/a b").read_text() == "x\n"


def test_a_file_of_this_machine_too(ada: Laptop, sit_down: Sit) -> None:
    (ada.home / "here").write_text("old")
    edit(ada, "local:here", "new")
    assert (ada.home / "here").read_text() == "new"
    assert os.listdir(ada.home / ".local/state/mlsh/edits") == []
