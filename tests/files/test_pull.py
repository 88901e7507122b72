"""`mlsh pull` on real boxes: what comes, what does not, and what each bad day leaves behind."""

import json
import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bed import Box, ChaosProxy, Laptop, wait_for

MIB = 1 << 20


@pytest.fixture
def project(laptop: Laptop, gpu1: Box) -> Path:
    laptop.add(gpu1)
    return laptop.project()


def job(laptop: Laptop, project: Path, script: str, *options: str, box: str = "gpu1") -> str:
    """Run a script as a job, to its end; returns its id."""
    ran = laptop.run("run", "-d", "--on", box, *options, "--", "bash", "-c", script, cwd=project)
    made = ran.stdout.strip()
    laptop.run("wait", made)
    return made


def tree(box: Box, made: str) -> Path:
    return box.path(f"~/.mlsh/trees/{made}")


def files(folder: Path) -> set[str]:
    """The files and links in a folder, other than our own."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path for path in found if not path.startswith(".mlsh-pull/")}


def told(ran: Any) -> dict[str, dict[str, Any]]:
    return {line["path"]: line for line in map(json.loads, ran.stdout.splitlines())}


def test_what_the_job_made_and_changed_comes_and_nothing_else(laptop: Laptop, project: Path) -> None:
    (project / "conf").mkdir()
    (project / "conf/a.yml").write_text("1\n")
    script = """mkdir -p runs/deep .venv/bin __pycache__ "odd
    name"; touch .venv/pyvenv.cfg .venv/bin/x __pycache__/c.pyc; echo new >runs/deep/m.csv; echo 2 >conf/a.yml
    printf 'a\\0b' >"odd
    name/-rf"; git init -q inner; echo in >inner/file; echo b >$'caf\\xe9'; chmod 750 runs/deep/m.csv
    touch -d '2020-01-02 03:04:05.678901234' runs/deep/m.csv; ln -s deep/m.csv runs/last; : >empty"""
    made = job(laptop, project, script, "-n", "base")
    ran = laptop.run("pull", "base", "--json", cwd=project)
    there = project / "base"
    odd = "odd\n    name/-rf"
    assert files(there) == {
        "runs/deep/m.csv", "runs/last", "conf/a.yml", odd, "inner/file", os.fsdecode(b"caf\xe9"), "empty"
    }  # fmt: skip
    assert (there / "conf/a.yml").read_text() == "2\n"
    assert (there / odd).read_bytes() == b"a\0b"
    about = (there / "runs/deep/m.csv").stat()
    assert (stat.S_IMODE(about.st_mode), about.st_mtime_ns) == (0o750, 1577934245678901234)
    assert os.readlink(there / "runs/last") == "deep/m.csv"
    assert {line["status"] for line in told(ran).values()} == {"brought"}
    again = told(laptop.run("pull", made, "--json", cwd=project))
    assert {line["status"] for line in again.values()} == {"same"}
    assert ran.stderr == ""


def test_paths_patterns_and_outputs_choose(laptop: Laptop, project: Path) -> None:
    script = "mkdir -p ck/a out; touch ck/1.pt ck/a/2.pt ck/x.txt out/r 'odd[1].txt'"
    made = job(laptop, project, script, "--outputs", "out", "--outputs", "*.txt")
    laptop.run("pull", made, cwd=project)
    assert files(project / made) == {"out/r", "odd[1].txt"}
    laptop.run("pull", made, "ck/*.pt", "odd[1].txt", "--to", "some", cwd=project)
    assert files(project / "some") == {"ck/1.pt", "odd[1].txt"}
    laptop.run("pull", made, "**/*.pt", "--to", "deep", cwd=project)
    assert files(project / "deep") == {"ck/1.pt", "ck/a/2.pt"}
    laptop.run("pull", made, ".", "--to", "all", cwd=project)
    assert files(project / "all") == {"ck/1.pt", "ck/a/2.pt", "ck/x.txt", "out/r", "odd[1].txt", "train.py"}
    missing = laptop.run("pull", made, "nothing.pt", cwd=project, check=False)
    assert missing.returncode == 66
    assert "nothing.pt" in missing.stderr
    for out in ("../x", "/etc/passwd", "a/../../b", "~/x"):
        assert laptop.run("pull", made, "--", out, cwd=project, check=False).returncode == 65


def test_a_dry_run_tells_and_writes_nothing(laptop: Laptop, project: Path) -> None:
    made = job(laptop, project, "echo hello >m.csv; mkfifo p")
    ran = laptop.run("pull", "--dry-run", made, cwd=project)
    assert [line.split()[:3] for line in ran.stdout.splitlines()] == [["bring", "6", "m.csv"], ["skip", "0", "p"]]
    assert not (project / made).exists()


def test_a_folder_that_is_something_else_is_not_written_to_unasked(laptop: Laptop, project: Path) -> None:
    (project / "src").mkdir()
    (project / "src/m.csv").write_text("mine\n")
    job(laptop, project, "echo theirs >m.csv", "-n", "src")
    ran = laptop.run("pull", "src", cwd=project, check=False)
    assert ran.returncode == 65
    assert "--to" in ran.stderr
    assert (project / "src/m.csv").read_text() == "mine\n"
    assert files(project / "src") == {"m.csv"}
    # The same name for another job: its files don't mix with those of the first.
    job(laptop, project, "echo 1 >m.csv", "-n", "twice")
    laptop.run("pull", "twice", cwd=project)
    job(laptop, project, "echo 2 >m.csv", "-n", "twice")
    assert laptop.run("pull", "twice", cwd=project, check=False).returncode == 65
    laptop.run("pull", "twice", "--to", "twice", cwd=project)
    assert (project / "twice/m.csv").read_text() == "2\n"


def test_a_job_without_code_brings_what_is_named(laptop: Laptop, project: Path, gpu1: Box) -> None:
    gpu1.sh("mkdir -p data; echo 1 >data/a; echo 2 >data/b")
    made = job(laptop, project, "true", "--no-code", "--workdir", "data")
    unnamed = laptop.run("pull", made, cwd=project, check=False)
    assert unnamed.returncode == 2
    assert "PATH" in unnamed.stderr
    laptop.run("pull", made, "a", cwd=project)
    assert files(project / made) == {"a"}


def test_links_that_lead_out_devices_and_pipes_are_named_and_left(laptop: Laptop, project: Path, gpu1: Box) -> None:
    gpu1.sh("mkdir -p private; echo secret >private/key")
    script = """mkdir in; echo ok >in/file; ln -s "$HOME/private" in/abs; ln -s ../../../private/key in/rel
    ln -s in/../../x mid; ln -s "$HOME/private" below; mkfifo pipe; ln -s in good
    python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('sock')" """
    made = job(laptop, project, script)
    ran = laptop.run("pull", made, "--json", cwd=project)
    status = {path: line["status"] for path, line in told(ran).items()}
    assert status == {
        "in/file": "brought", "good": "brought", "in/abs": "skipped", "in/rel": "skipped", "mid": "skipped",
        "below": "skipped", "pipe": "skipped", "sock": "skipped",
    }  # fmt: skip
    assert "in/abs: it is a link that leads out of the folder" in ran.stderr
    assert "sock: it is a device, a pipe or a socket" in ran.stderr
    # Neither is what lies behind a link brought when it is named.
    for named in ("below/key", "in/abs/key"):
        assert laptop.run("pull", made, named, "--to", "x", cwd=project, check=False).returncode == 66
    brought = [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert not any(b"secret" in path.read_bytes() for path in brought)


def test_no_mode_that_gives_rights_comes(laptop: Laptop, project: Path) -> None:
    made = job(laptop, project, "echo x >tool; chmod 6755 tool; mkdir d; echo y >d/f; chmod 1777 d")
    laptop.run("pull", made, cwd=project)
    assert stat.S_IMODE((project / made / "tool").stat().st_mode) == 0o755
    assert not stat.S_IMODE((project / made / "d").stat().st_mode) & 0o7022


def test_only_what_changed_is_sent_again(
    laptop: Laptop, project: Path, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="slow", via=proxy)
    made = job(laptop, project, f"head -c {8 * MIB} /dev/urandom >big; echo 1 >small; echo 1 >other", box="slow")
    laptop.run("pull", made, cwd=project)
    there = project / made
    first = proxy.bytes_down
    assert first > 8 * MIB
    # Another time and the same bytes: a checksum is all that comes.
    (tree(gpu1, made) / "small").write_text("2\n")
    gpu1.sh(f"touch .mlsh/trees/{made}/big")
    ran = told(laptop.run("pull", made, "--json", cwd=project))
    assert {path: line["status"] for path, line in ran.items()} == {
        "big": "brought",
        "small": "brought",
        "other": "same",
    }
    assert proxy.bytes_down - first < MIB
    assert (there / "small").read_text() == "2\n"
    assert (there / "big").stat().st_mtime_ns == (tree(gpu1, made) / "big").stat().st_mtime_ns
    # The same size and time as before are believed; other bytes of that size are not.
    with open(tree(gpu1, made) / "big", "r+b") as file:
        file.write(b"changed")
    laptop.run("pull", made, cwd=project)
    assert (there / "big").read_bytes() == (tree(gpu1, made) / "big").read_bytes()
    assert files(there) == {"big", "small", "other"}


def test_a_pull_that_is_cut_goes_on_where_it_was(
    laptop: Laptop, project: Path, gpu1: Box, proxy_to: Callable[[Box], ChaosProxy]
) -> None:
    proxy = proxy_to(gpu1)
    laptop.add(gpu1, alias="cut", via=proxy)
    made = job(laptop, project, f"head -c {40 * MIB} /dev/urandom >big; echo 1 >small", box="cut")
    before = proxy.bytes_down
    proxy.cut_after(25 * MIB)
    ran = laptop.run("pull", made, cwd=project)
    assert "going on" in ran.stderr
    assert (project / made / "big").read_bytes() == (tree(gpu1, made) / "big").read_bytes()
    assert proxy.bytes_down - before < 46 * MIB

    # Not by itself: the laptop was killed. The next pull takes what is there.
    laptop.run("pull", made, "--to", "again", "small", cwd=project)
    before = proxy.bytes_down
    proxy.rate(30 * MIB)
    pull = laptop.spawn("pull", made, "--to", "again", cwd=project)
    parts = project / "again/.mlsh-pull"
    wait_for(lambda: any(p.stat().st_size > 20 * MIB for p in parts.glob("*.part")), 30, "half of the file")
    assert not (project / "again/big").exists()
    pull.kill()
    pull.wait()
    proxy.rate(0)
    laptop.run("pull", made, "--to", "again", cwd=project)
    assert (project / "again/big").read_bytes() == (project / made / "big").read_bytes()
    assert proxy.bytes_down - before < 60 * MIB
    assert not parts.exists()


def test_a_part_that_the_disk_spoilt_is_not_believed(laptop: Laptop, project: Path, gpu1: Box) -> None:
    made = job(laptop, project, f"head -c {9 * MIB} /dev/urandom >big; echo 1 >x")
    laptop.run("pull", made, "x", "--to", "there", cwd=project)
    from mlsh.files import target  # what the name of a part is, is no promise
    from mlsh.files.manifest import Entry, Kind

    about = gpu1.sh(f"stat -c '%f %i %s %.9Y %.9Z' .mlsh/trees/{made}/big").stdout.strip().encode()
    name = target._part(Entry(b"big", Kind.FILE, 0, 0, 0, True, about))
    (project / "there/.mlsh-pull").mkdir()
    (project / "there/.mlsh-pull" / name).write_bytes(bytes(5 * MIB))
    laptop.run("pull", made, "--to", "there", cwd=project)
    assert (project / "there/big").read_bytes() == (tree(gpu1, made) / "big").read_bytes()


def test_a_file_that_changes_while_it_is_read_is_named(laptop: Laptop, project: Path, gpu1: Box) -> None:
    script = f"echo calm >calm; head -c {6 * MIB} /dev/zero >log; while :; do echo line >>log; echo l >>small; done"
    made = laptop.run("run", "-d", "--on", "gpu1", "--", "bash", "-c", script, cwd=project).stdout.strip()
    wait_for((tree(gpu1, made) / "small").exists, 20, "the files")
    ran = laptop.run("pull", made, "--json", cwd=project, check=False)
    laptop.run("cancel", "--grace", "0", made)
    assert ran.returncode == 75, ran.stderr
    assert {path: line["status"] for path, line in told(ran).items()} == {
        "calm": "brought", "log": "changing", "small": "changing"
    }  # fmt: skip
    assert "log: it changes while it is read" in ran.stderr
    assert files(project / made) == {"calm"}
    laptop.run("pull", made, cwd=project)
    assert (project / made / "log").read_bytes() == (tree(gpu1, made) / "log").read_bytes()


@pytest.mark.root
def test_a_file_that_may_not_be_read_there_is_named_and_the_others_come(
    laptop: Laptop, project: Path, gpu1: Box
) -> None:
    made = job(laptop, project, "echo 1 >a; echo 2 >b; echo 3 >c; chmod 0 b")
    ran = laptop.run("pull", made, cwd=project, check=False)
    assert ran.returncode == 71
    assert "b: it can't be read there" in ran.stderr
    assert files(project / made) == {"a", "c"}


@pytest.mark.root
def test_a_full_disk_here_is_told_and_the_pull_goes_on_later(laptop: Laptop, project: Path, gpu1: Box) -> None:
    made = job(laptop, project, f"head -c {30 * MIB} /dev/urandom >big; echo 1 >a")
    disk = laptop.home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(disk)]
    laptop.command(*mount)
    try:
        ran = laptop.run("pull", made, "--to", "disk/it", cwd=laptop.home, check=False)
        assert ran.returncode == 70
        assert "the disk of disk/it is full" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert "big" not in files(disk / "it")
        laptop.command("mount", "-o", "remount,size=60m", str(disk))
        laptop.run("pull", made, "--to", "disk/it", cwd=laptop.home)
        assert (disk / "it/big").read_bytes() == (tree(gpu1, made) / "big").read_bytes()
    finally:
        laptop.command("umount", "-l", str(disk))


def test_a_link_here_is_not_followed(laptop: Laptop, project: Path) -> None:
    made = job(
        laptop, project, "mkdir sub; echo new >sub/f; echo new >top; echo new >plain; mkdir -p file/x; echo 1 >file/x/y"
    )
    elsewhere = laptop.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "f").write_text("mine\n")
    there = project / "there"
    there.mkdir()
    (there / "sub").symlink_to(elsewhere)
    (there / "top").symlink_to(elsewhere / "f")
    (there / "file").write_text("mine\n")
    ran = laptop.run("pull", made, "--to", "there", cwd=project, check=False)
    assert ran.returncode == 70
    assert "sub/f: sub is here a link or a file, and no folder" in ran.stderr
    assert (elsewhere / "f").read_text() == "mine\n"
    assert sorted(p.name for p in elsewhere.iterdir()) == ["f"]
    # A link where a file belongs is replaced itself, as rsync does.
    assert not (there / "top").is_symlink()
    assert (there / "top").read_text() == (there / "plain").read_text() == "new\n"
    assert (there / "file").read_text() == "mine\n"


LIES = {
    "up": "../../.ssh/authorized_keys",
    "absolute": "/tmp/mlsh-hostile",
    "git": ".git/config",
    "deep": "a/../../x",
    "ours": ".mlsh-pull/job",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_box_that_lies_about_names_writes_nowhere_else(
    laptop: Laptop, project: Path, fresh_box: Box, lie: str
) -> None:
    laptop.add(fresh_box)
    made = job(laptop, project, "echo good >good; echo evil >evil", box="fresh")
    name = LIES[lie]
    # Its stat says so of the file `evil`, in the list and after it was read.
    fresh_box.install("stat", f'/usr/bin/stat "$@" | sed "s|\\./evil|./{name}|; s|^\\./\\./|./|; s|\\.//|/|"')
    before = {path: path.read_bytes() for path in laptop.home.rglob("*") if path.is_file() and "cache" not in str(path)}
    ran = laptop.run("pull", made, "--to", "project/there", cwd=laptop.home, check=False)
    assert ran.returncode == 65, ran.stderr
    assert (project / "there/good").read_text() == "good\n"
    assert files(project / "there") == {"good"}
    assert not Path("/tmp/mlsh-hostile").exists()
    changed = {path for path, text in before.items() if path.exists() and path.read_bytes() != text}
    assert not {path for path in changed if ".local/state" not in str(path)}


def test_a_box_that_sends_a_file_below_a_link_writes_nowhere_else(
    laptop: Laptop, project: Path, fresh_box: Box
) -> None:
    laptop.add(fresh_box)
    made = job(laptop, project, "mkdir real; echo 1 >real/f; ln -s real fake; echo evil >evil", box="fresh")
    fresh_box.install("stat", '/usr/bin/stat "$@" | sed "s|\\./evil|./fake/f|"')
    ran = laptop.run("pull", made, "--to", "there", cwd=project, check=False)
    assert ran.returncode == 65
    assert "fake/f: it lies below what is no folder" in ran.stderr
    assert (project / "there/real/f").read_text() == "1\n"


def test_a_busybox_box_gives_what_any_box_gives(laptop: Laptop, project: Path, fresh_box: Box) -> None:
    laptop.add(fresh_box)
    script = f"""mkdir -p d; echo 1 >"d/a
    b"; ln -s "d/a
    b" "l'k"; head -c {9 * MIB} /dev/urandom >big; echo x >-n; mkfifo p"""
    made = job(laptop, project, script, box="fresh")
    fresh_box.busybox_userland()
    ran = laptop.run("pull", made, "--json", cwd=project)
    there = project / made
    assert files(there) == {"d/a\n    b", "l'k", "big", "-n"}
    assert os.readlink(there / "l'k") == "d/a\n    b"
    assert (there / "big").read_bytes() == (tree(fresh_box, made) / "big").read_bytes()
    assert told(ran)["p"]["status"] == "skipped"
    again = told(laptop.run("pull", made, "--json", cwd=project))
    assert {line["status"] for path, line in again.items() if path != "p"} == {"same"}


def test_a_large_sparse_file_stays_sparse(laptop: Laptop, project: Path, gpu1: Box) -> None:
    made = job(laptop, project, f"truncate -s {300 * MIB} s; echo end >>s; (printf begin) 1<>s")
    laptop.run("pull", made, cwd=project)
    about = (project / made / "s").stat()
    assert about.st_size == 300 * MIB + 4
    assert about.st_blocks * 512 < 10 * MIB
    with open(project / made / "s", "rb") as file:
        assert file.read(5) == b"begin"
        file.seek(300 * MIB)
        assert file.read() == b"end\n"


def test_pulling_what_ran_on_this_machine(laptop: Laptop, project: Path) -> None:
    made = job(laptop, project, f"echo 1 >a; head -c {5 * MIB} /dev/urandom >big", box="local")
    laptop.run("pull", made, cwd=project)
    assert files(project / made) == {"a", "big"}


def test_a_removed_job_is_told(laptop: Laptop, project: Path) -> None:
    made = job(laptop, project, "echo 1 >a")
    laptop.run("rm", "-y", made)
    ran = laptop.run("pull", made, cwd=project, check=False)
    assert ran.returncode == 66
    assert shlex.quote(made) in ran.stderr
