"""Killed, cut off, out of room, two at once: a home is as it was or as it should be, and never between."""

import os
import shlex
import threading
from pathlib import Path

import pytest

from mlsh.box import Box as Reached
from mlsh.box import open_box
from mlsh.config import Settings
from mlsh.dotfiles import push
from mlsh.errors import MlshError
from tests.bed import Bed, Box, Laptop
from tests.dotfiles.trees import pushed, small, source_of, tree
from tests.jobs.in_process import sit_at

STEPS = ("mkdir", "cp", "mv", "rm", "chmod", "rmdir", "sync", "tar")


@pytest.fixture
def killer(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file: the number in it is counted down by each step of the script on the box, which is killed at 0."""
    del home
    tools = tmp_path / "tools"
    tools.mkdir()
    count = tmp_path / "count"
    for name in STEPS:
        path = tools / name
        path.write_text(
            f"#!/bin/sh\nread -r n <{shlex.quote(str(count))}\nn=$((n - 1))\necho $n >{shlex.quote(str(count))}\n"
            # The shell that runs the step may be one of its subshells: their session is ended as a whole.
            f'[ "$n" -ne 0 ] || kill -9 -- -$(ps -o pgid= -p $$ | tr -d " ")\nexec /bin/{name} "$@"\n'
        )
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return count


def whole(home: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Each file of the person's is as it was, or as it should become."""
    for path, text in before.items():
        now = (home / path).read_bytes() if (home / path).exists() else None
        assert now in {text, after.get(path)}, path


def test_a_push_that_is_killed_at_any_step_leaves_whole_files_and_can_be_repeated_or_taken_back(
    local: Reached, home: Path, killer: Path
) -> None:
    texts = {".bashrc": b"alias a=b", ".gitconfig": b"[user]\n\tname = A\n"}
    killer.write_text("-1\n")
    source = source_of(bashrc="ours\n", gitconfig="", zshrc="")
    for path, text in texts.items():
        (home / path).write_bytes(text)
    before = tree(home)
    pushed(local, source)
    goal = tree(home)
    after = {path: entry.text for path, entry in goal.items() if entry.text is not None}
    push.remove(local)
    assert tree(home) == before
    # Each sixth step: some of each phase, and of each kind.
    step = -1
    while True:
        step += 6
        plan = push.plan(local, source)
        killer.write_text(f"{step}\n")
        try:
            push.apply(local, plan)
        except MlshError:
            is_over = False
        else:
            is_over = int(killer.read_text()) > 0
        killer.write_text("-1\n")
        whole(home, texts, after)
        if step % 12 == 5:
            pushed(local, source)
            now = tree(home)
            # The record says when, and is compared by its other lines.
            record = ".config/mlsh/.dotfiles"
            assert {**now, record: None} == {**goal, record: None}
        push.remove(local)
        assert tree(home) == before, f"killed at step {step}"
        if is_over:
            break
    assert step > 15


def test_a_removal_that_is_killed_at_any_step_can_be_repeated(local: Reached, home: Path, killer: Path) -> None:
    texts = {".bashrc": b"alias a=b", ".netrc": b"mine\n"}
    killer.write_text("-1\n")
    source = small(**{".netrc": "ours\n"})
    for path, text in texts.items():
        (home / path).write_bytes(text)
    before = tree(home)
    step = 0
    while True:
        step += 11
        pushed(local, source, overwrite=True)
        removal = push.plan_removal(local)
        killer.write_text(f"{step}\n")
        try:
            push.apply(local, removal)
        except MlshError:
            is_over = False
        else:
            is_over = int(killer.read_text()) > 0
        killer.write_text("-1\n")
        assert push.remove(local).refused == ()
        assert tree(home) == before, f"killed at step {step}"
        if is_over:
            break
    assert step > 15


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_transfer_that_is_cut_off_changes_nothing(local: Reached, home: Path, part: float) -> None:
    (home / ".bashrc").write_text("alias a=b\n")
    before = tree(home)
    plan = push.plan(local, small(bin__large="x" * 100_000))
    data = b"\n" * 16 + b"mlsh-begin\n" + push.archive(plan)
    # Past the list, which comes last, tar has only padding.
    end = data.rindex(b"\nend\n")
    ran = local.run(["sh", "-c", push._text("apply.sh"), "mlsh"], stdin=data[: int(end * part)] or b"\n")
    assert ran.returncode == 96
    assert b"mlsh-error" in ran.stdout
    assert tree(home) == before


def test_two_pushes_at_once_end_as_one(local: Reached, home: Path) -> None:
    (home / ".bashrc").write_text("alias a=b\n")
    before = tree(home)
    ends: list[object] = []

    def go() -> None:
        box = open_box("local", Settings({}))
        for _ in range(10):
            plan = push.plan(box, small())
            try:
                push.apply(box, plan)
            except push.Changed:
                continue
            ends.append(plan)
            return

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 4
    assert (home / ".bashrc").read_text().count("mlsh dotfiles") == 1
    assert push.plan(local, small()).is_empty
    push.remove(local)
    assert tree(home) == before


@pytest.mark.parametrize("verb", ["push", "remove"])
def test_one_file_that_can_t_be_replaced_leaves_all_as_it_was(
    local: Reached, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """As `chattr +i` does it, which not every file system has."""
    tools = tmp_path / "tools"
    tools.mkdir()
    fails = 'for last; do :; done; case $last in */.gitconfig) echo "mv: Operation not permitted" >&2; exit 1 ;; esac\n'
    for name in ("mv", "rm"):
        (tools / name).write_text(f'#!/bin/sh\n{fails}exec /bin/{name} "$@"\n')
        (tools / name).chmod(0o755)
    (home / ".bashrc").write_text("alias a=b\n")
    (home / ".zshrc").write_text("alias a=b\n")
    before = tree(home)
    if verb == "remove":
        pushed(local, small())
        before = tree(home)
        plan = push.plan_removal(local)
    else:
        plan = push.plan(local, small())
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(MlshError, match=r"\.gitconfig can't be written: Operation not permitted; nothing was changed"):
        push.apply(local, plan)
    assert tree(home) == before


@pytest.mark.parametrize("verb", ["push", "remove"])
def test_a_file_that_can_t_be_copied_aside_is_not_replaced(
    local: Reached, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """As in a home without hard links whose disk is full. The tools stand for that."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ln").write_text("#!/bin/sh\nexit 1\n")
    cut = (
        'for last; do :; done; case $last in *was.*) head -c 3 "$3" >"$last"\n'
        'echo "cp: No space left on device" >&2; exit 1 ;; esac\n'
    )
    (tools / "cp").write_text(f'#!/bin/sh\n{cut}exec /bin/cp "$@"\n')
    # A later step fails too, so that all is taken back in any case.
    (tools / "mv").write_text(
        '#!/bin/sh\nfor last; do :; done; case $*-$last in *mlsh-new*/.zshrc) exit 1 ;; esac\nexec /bin/mv "$@"\n'
    )
    for path in tools.iterdir():
        path.chmod(0o755)
    for name in (".bashrc", ".tmux.conf", ".zshrc"):
        (home / name).write_text("# a text of the person's\n")
    before = tree(home)
    if verb == "remove":
        pushed(local, small())
        before = tree(home)
        plan = push.plan_removal(local)
    else:
        plan = push.plan(local, small())
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(MlshError, match="nothing was changed"):
        push.apply(local, plan)
    assert tree(home) == before


def test_a_text_that_can_t_be_put_back_is_kept_and_named(
    local: Reached, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool stands for a file system that turns read-only, and back."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mv").write_text(
        "#!/bin/sh\nfor last; do :; done; case $last in */.zshrc) exit 1 ;; esac\n"
        'case $* in *was.*/.bashrc) exit 1 ;; esac\nexec /bin/mv "$@"\n'
    )
    (tools / "mv").chmod(0o755)
    for name in (".bashrc", ".zshrc"):
        (home / name).write_text("# a text of the person's\n")
    plan = push.plan(local, small())
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(
        MlshError, match=r"\.bashrc could not be put back, and is kept in .*/\.mlsh-dotfiles-kept\."
    ) as told:
        push.apply(local, plan)
    assert "nothing was changed" not in told.value.what
    (kept,) = home.glob(".mlsh-dotfiles-kept.*")
    assert "# a text of the person's\n" in [path.read_text() for path in kept.glob("was.*")]


# On real boxes


@pytest.fixture
def box(fresh_box: Box, laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> Box:
    sit_at(laptop, monkeypatch)
    laptop.add(fresh_box)
    return fresh_box


def reached() -> Reached:
    return open_box("fresh", Settings({}))


def test_a_full_disk_and_a_read_only_home_change_nothing(box: Box, laptop: Laptop) -> None:
    laptop.run("dotfiles", "list", "fresh")
    before = tree(box.path("~"))
    box.fill_disk(leave_kib=20)
    said = laptop.run("dotfiles", "push", "fresh", check=False)
    assert (said.returncode, "the disk is full" in said.stderr) == (71, True), said.stderr
    assert tree(box.path("~")) == before
    box.free_disk()
    box.read_only_home()
    said = laptop.run("dotfiles", "push", "fresh", check=False)
    assert said.returncode == 71, said.stderr
    assert "read-only" in said.stderr or "not writable" in said.stderr
    box.writable_home()
    assert tree(box.path("~")) == before
    laptop.run("dotfiles", "push", "fresh")
    laptop.run("dotfiles", "remove", "fresh")
    assert tree(box.path("~")) == before


def test_a_file_of_another_user_s_is_left_alone_and_the_rest_is_done(box: Box, laptop: Laptop) -> None:
    os.chown(box.path("~/.bashrc"), 0, 0)
    box.write("~/.zshrc", "alias a=b\n", 0o000)
    before = tree(box.path("~"))
    said = laptop.run("dotfiles", "push", "fresh", check=False)
    assert said.returncode == 71
    assert "fresh: ~/.bashrc belongs to another user" in said.stderr
    assert "fresh: ~/.zshrc can't be read" in said.stderr
    assert "fresh  new, one line ~/.tmux.conf" in said.stdout
    said = laptop.run("dotfiles", "remove", "fresh")
    assert tree(box.path("~")) == before


@pytest.mark.parametrize("shell", ["/usr/bin/fish", "/bin/tcsh"])
def test_another_login_shell_makes_no_difference(box: Box, laptop: Laptop, shell: str) -> None:
    box.login_shell(shell)
    before = tree(box.path("~"))
    laptop.run("dotfiles", "push", "fresh")
    assert "~/.config/mlsh/fish" not in laptop.run("dotfiles", "list", "fresh").stdout
    assert laptop.run("dotfiles", "push", "fresh").stderr == "mlsh: fresh: nothing to do\n"
    if shell.endswith("fish"):
        said = laptop.ssh("fresh", "status is-interactive; or echo plain; env TERM=dumb fish -ic 'echo $LESS'")
        assert (said.stdout, said.stderr) == ("plain\n-R\n", "")
    laptop.run("dotfiles", "remove", "fresh")
    left = tree(box.path("~"))
    # What fish writes itself when it starts.
    made_by_fish = {path for path in left if path.startswith((".config/fish", ".local")) or path == ".config"}
    assert {path: entry for path, entry in left.items() if path not in made_by_fish - set(before)} == before


def test_start_up_files_that_talk_do_no_harm_and_ones_that_read_are_named(box: Box, laptop: Laptop) -> None:
    box.write("~/.bashrc", "echo welcome\n")
    laptop.run("dotfiles", "push", "fresh")
    laptop.run("dotfiles", "remove", "fresh")
    assert box.path("~/.bashrc").read_text() == "echo welcome\n"
    box.write("~/.bashrc", "cat >/dev/null\n")
    said = laptop.run("dotfiles", "push", "fresh", check=False)
    assert said.returncode == 71
    assert "read what was meant for mlsh" in said.stderr
    assert box.path("~/.bashrc").read_text() == "cat >/dev/null\n"


def test_a_person_s_shell_on_the_box_has_it_and_scripts_don_t_notice(box: Box, laptop: Laptop) -> None:
    laptop.run("dotfiles", "push", "fresh")
    shown = laptop.ssh("fresh", "bash -ic 'echo ${PROMPT_COMMAND[@]}' 2>/dev/null").stdout
    assert "__mlsh_prompt" in shown
    assert laptop.ssh("fresh", "echo out; echo err >&2").stdout == "out\n"


def test_several_boxes_are_done_side_by_side_in_two_calls_each_and_one_that_is_down_delays_none(
    laptop: Laptop, bed: Bed
) -> None:
    boxes = bed.boxes(["b1", "b2", "b3"])
    try:
        for box in boxes:
            laptop.add(box)
        laptop.run("dotfiles", "list", "b1", "b2")
        boxes[2].stop_sshd()
        said = laptop.run("dotfiles", "push", "b1", "b2", "b3", "--explain", check=False)
        assert said.returncode == 69
        for name in ("b1", "b2"):
            assert f"{name}  one line      ~/.bashrc" in said.stdout
            calls = [line for line in said.stderr.splitlines() if line.startswith("+ ssh") and f"-- {name} " in line]
            assert len(calls) == 2, calls
        assert "b3: " in said.stderr
        again = laptop.run("dotfiles", "push", "b1", "b2")
        assert sorted(again.stderr.splitlines()) == ["mlsh: b1: nothing to do", "mlsh: b2: nothing to do"]
    finally:
        for box in boxes:
            bed.rm(box)
