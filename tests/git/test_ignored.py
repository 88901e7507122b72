"""What is ignored stays here, by every rule that git and `.mlshignore` know."""

import os
from pathlib import Path

from mlsh.git.snapshot import take
from tests.git.folders import content, git_in, on_disk, yes


def test_what_is_ignored_stays_here_by_every_rule_that_git_knows(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "home/globally").write_text("by-global\n")
    git_in(repo)("config", "core.excludesFile", "~/globally")
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/exclude").write_text("by-exclude\n")
    (repo / ".gitignore").write_text("/.gitignore\nby-top\nignored-folder/\n")
    (repo / "src/.gitignore").write_text("by-inner\n!by-global\n")
    for name in ("by-global", "by-exclude", "by-top", "ignored-folder/x", "src/by-inner", "src/by-global", "kept"):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text(name)
    assert set(content(take(repo, yes))) == {b"a.txt", b"src/b.py", b"src/.gitignore", b"src/by-global", b"kept"}


def test_rules_that_change_later_hold_for_the_next_launch(repo: Path, tmp_path: Path) -> None:
    (repo / ".gitignore").write_text(".gitignore\nlater\n")
    for name in ("later", "x1", "x2", "x3", "x4"):
        (repo / name).write_text(name)
    assert b"later" not in content(take(repo, yes))
    git_in(repo)("config", "core.excludesFile", str(tmp_path / "global"))
    (tmp_path / "global").write_text("x1\n")
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/exclude").write_text("x2\n")
    (repo / ".mlshignore").write_text("x3\n")
    (repo / ".gitignore").write_text(".gitignore\nx4\n")  # itself ignored: no file of the snapshot changes
    assert set(content(take(repo, yes))) == {b"a.txt", b"src/b.py", b"later", b".mlshignore"}
    (tmp_path / "global").write_text("")
    (repo / ".git/info/exclude").write_text("")
    (repo / ".mlshignore").unlink()
    (repo / ".gitignore").unlink()
    assert content(take(repo, yes)) == on_disk(repo)


def test_what_is_tracked_although_ignored_goes_along(repo: Path) -> None:
    git = git_in(repo)
    (repo / ".gitignore").write_text("*.bin\nout/\n")
    (repo / "out").mkdir()
    for name in ("weights.bin", "out/kept", "out/other"):
        (repo / name).write_text("1")
    git("add", "-f", "weights.bin", "out/kept")
    assert {b"weights.bin", b"out/kept"} <= set(content(take(repo, yes))) < set(on_disk(repo))
    (repo / "weights.bin").write_text("22")
    assert content(take(repo, yes))[b"weights.bin"] == ("file", b"22")
    git("rm", "-q", "--cached", "-f", "weights.bin")
    assert b"weights.bin" not in content(take(repo, yes))
    (repo / "out/kept").unlink()
    first = take(repo, yes)
    assert b"out/kept" not in content(first)
    assert take(repo, yes).commit == first.commit


def test_mlshignore_has_the_last_word_both_ways(repo: Path) -> None:
    (repo / ".gitignore").write_text("*.ckpt\n!data.csv\ncache/\n")
    (repo / "src/.gitignore").write_text("*.pt\n")
    (repo / ".mlshignore").write_text(
        "# what the job needs, or not\n\n!small.ckpt\ndata.csv\r\n!src/model.pt\n!cache/\n/a.txt   \n\\#odd\nlast\\ \n"
    )
    names = [
        "small.ckpt",
        "big.ckpt",
        "data.csv",
        "src/model.pt",
        "src/other.pt",
        "cache/x",
        "#odd",
        "last ",
        "src/a.txt",
    ]
    for name in names:
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text(name)
    git_in(repo)("add", "-f", "data.csv", "a.txt")
    taken = {os.fsdecode(name) for name in content(take(repo, yes))}
    assert taken & {*names, "a.txt"} == {"small.ckpt", "src/model.pt", "cache/x", "src/a.txt"}


def test_a_secret_that_an_include_of_the_persons_config_ignores_is_not_sent(repo: Path) -> None:
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text(
        f'[user]\n\tname = a\n\temail = a@b\n[includeIf "gitdir:{repo.parent}/"]\n\tpath = {home}/work.cfg\n'
    )
    (home / "work.cfg").write_text(f"[core]\n\texcludesFile = {home}/work.ignore\n")
    (home / "work.ignore").write_text(".env\n")
    (repo / ".env").write_text("SECRET=1\n")
    assert b".env" not in content(take(repo, yes))
