"""What a look through one text finds, and how a finding is known again. Pure."""

import io
from pathlib import Path

import pytest

from mlsh.audit import files, found, git_history, homes
from mlsh.audit.found import Found
from mlsh.audit.text import Where, look
from tests.secrets.samples import A36, KEY_BODY

TOKEN = "ghp_" + A36
OTHER = "ghp_" + A36[::-1]


def history(text: str) -> list[Found]:
    return list(look(Where("local", "history", "~/.h"), text))


@pytest.mark.parametrize(
    ("text", "line", "when"),
    [
        (f"ls\n#1700000000\ngh {TOKEN}\n", 3, 1700000000),
        (f": 1700000001:0;ls\n: 1700000002:3;gh {TOKEN}\n", 2, 1700000002),
        (f"- cmd: ls\n  when: 1\n- cmd: gh {TOKEN}\n  when: 1700000003\n  paths:\n", 3, 1700000003),
        (f"ls\n\n\ngh {TOKEN}", 4, None),
        (f"#17\ngh {TOKEN}", 2, None),
    ],
)
def test_a_history_tells_where_and_when_it_was_typed(text: str, line: int, when: int | None) -> None:
    (one,) = history(text)
    assert (one.line, one.when_s, one.rule, one.shown) == (line, when, "github-token", "ghp_***")


def test_nothing_that_is_shown_holds_the_secret() -> None:
    (one,) = history(f"gh {TOKEN}")
    assert A36[:8] not in repr(one)


def test_a_finding_is_known_again_when_its_line_moves_and_not_when_the_secret_changes() -> None:
    before, moved = history(f"gh {TOKEN}")[0], history(f"ls\nls\ngh {TOKEN}")[0]
    assert before.fingerprint == moved.fingerprint
    assert history(f"gh {OTHER}")[0].fingerprint != before.fingerprint
    assert next(look(Where("local", "history", "~/.other"), f"gh {TOKEN}")).fingerprint != before.fingerprint


def test_two_secrets_of_one_line_are_two() -> None:
    one, two = history(f"gh {TOKEN} {OTHER}")
    assert one.fingerprint != two.fingerprint


def test_an_ignore_file_is_fingerprints_and_comments() -> None:
    text = "# why\n0123456789abcdef  # the test's own\n  FEDCBA9876543210\nnonsense\n\n0123456789abcdef0\n"
    assert found.accepted(text) == {"0123456789abcdef", "fedcba9876543210"}


def test_what_is_in_a_file_and_in_its_past_is_one() -> None:
    now = history(f"gh {TOKEN}")[0]
    import msgspec

    past = msgspec.structs.replace(now, kind="commit", commit="abc", when_s=7)
    (one,) = found.merged([now, past])
    assert (one.kind, one.commit, one.when_s) == ("history", "abc", 7)


def test_a_line_with_very_many_secrets_takes_no_longer_than_its_length() -> None:
    import time

    def seconds(count: int) -> float:
        begun = time.process_time()
        assert len(history(f"gh {TOKEN} " * count)) == count
        return time.process_time() - begun

    small = min(seconds(100) for _ in range(2))
    assert seconds(1600) < 48 * small + 0.05  # the square of it would be 256 times


# Files


def in_file(path: Path) -> list[Found]:
    return [one for one in files.of_file(path, path.name, "file") if isinstance(one, Found)]


@pytest.mark.parametrize("at", [0, 900, 1000, 1024, 1100, 2000, 3000])
def test_a_secret_is_found_once_wherever_the_pieces_of_a_file_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(files, "_PIECE", 1024)
    monkeypatch.setattr(files, "_OVERLAP", 512)
    lines = [f"x{number}" for number in range(1000)]
    lines.insert(at // 4, f"gh {TOKEN}")
    (tmp_path / "f").write_text("\n".join(lines))
    (one,) = in_file(tmp_path / "f")
    assert one.line == at // 4 + 1


@pytest.mark.parametrize("at", [100, 600, 800, 900, 1000, 1020])
def test_a_private_key_across_two_pieces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(files, "_PIECE", 1024)
    monkeypatch.setattr(files, "_OVERLAP", 512)
    text = (
        "y" * (at - 1)
        + "\n-----BEGIN RSA PRIVATE KEY-----\n"
        + KEY_BODY
        + "\n-----END RSA PRIVATE KEY-----\n"
        + "z\n" * 900
    )
    (tmp_path / "f").write_text(text)
    (one,) = in_file(tmp_path / "f")
    assert (one.rule, one.line) == ("private-key", 2)


def test_one_endless_line_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PIECE", 4096)
    monkeypatch.setattr(files, "_OVERLAP", 512)
    (tmp_path / "f.js").write_text("var a=1;" * 1000 + f"'{TOKEN}';" + "var b=2;" * 1000)
    (one,) = in_file(tmp_path / "f.js")
    assert (one.rule, one.line) == ("github-token", 1)


def test_binary_files_pipes_and_links_are_not_waited_for(tmp_path: Path) -> None:
    import os

    (tmp_path / "model.bin").write_bytes(b"\0" * 100 + TOKEN.encode())
    (tmp_path / "utf16.txt").write_bytes(f"gh {TOKEN}".encode("utf-16"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/shadow")
    (tmp_path / "odd\nname\x1b[2J").write_text(f"gh {TOKEN}")
    (tmp_path / os.fsdecode(b"\xff")).write_text(f"gh {TOKEN}")
    seen = list(files.of_folder(tmp_path))
    assert sorted(one.why for one in seen if isinstance(one, files.Passed)) == ["binary"]
    assert len([one for one in seen if isinstance(one, Found)]) == 3


def test_a_file_too_large_for_a_repository_is_named(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(b"x\n" * (5 << 20))
    (one,) = files.of_folder(tmp_path)
    assert isinstance(one, files.Passed)
    assert "8 MiB" in one.why


# git log


def log(*lines: str) -> list[Found]:
    return list(git_history.parse(io.BytesIO("\n".join(lines).encode(errors="surrogateescape") + b"\n"), b"MARK"))


def test_a_line_of_content_can_pose_as_no_header() -> None:
    one, two = log(
        "MARK " + "a" * 40 + " 1700000000",
        "",
        "diff --git a/x.py b/x.py",
        "--- /dev/null",
        "+++ b/x.py",
        "@@ -0,0 +7,4 @@",
        f"+gh {TOKEN}",
        "+++ b/innocent.py",
        "+@@ -0,0 +900 @@",
        "+MARK " + "b" * 40 + " 1",
        "@@ -3 +20 @@ def f():",
        "-old",
        f"+gh {OTHER}",
        "\\ No newline at end of file",
    )
    assert (one.place, one.line, one.commit, one.when_s) == ("x.py", 7, "a" * 40, 1700000000)
    assert (two.place, two.line) == ("x.py", 20)


def test_an_odd_path_is_read_back() -> None:
    (one,) = log(
        "MARK " + "a" * 40 + " 1700000000",
        'diff --git "a/\\303\\244 \\"\\n.py" "b/\\303\\244 \\"\\n.py"',
        '+++ "b/\\303\\244 \\"\\n.py"',
        "@@ -0,0 +1 @@",
        f"+gh {TOKEN}",
    )
    assert one.place == 'ä "\n.py'


# Homes


def test_a_box_can_pose_as_no_other_file_and_what_it_can_not_give_is_named() -> None:
    out = (
        f"noise of a login\n\nMARK history 10 ~/.bash_history\ngh {TOKEN}\nmark dotfile 3 ~/.x\n"
        f"\nMARK unreadable 0 ~/.zshrc\n\nMARK dotfile 7 ~/.bashrc\nexport FOO_TOKEN=x7Kq2mZ9\n\nMARK end\n"
    ).encode()
    one, not_read, two = homes.parse("gpu1", out, b"MARK")
    assert isinstance(one, Found)
    assert (one.box, one.kind, one.place, one.line) == ("gpu1", "history", "~/.bash_history", 1)
    assert not_read == files.Passed("gpu1: ~/.zshrc", "can't be read")
    assert isinstance(two, Found)
    assert (two.kind, two.place, two.what) == ("dotfile", "~/.bashrc", "value of a telling variable")
