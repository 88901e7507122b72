"""Dotfiles of a person's own, as chezmoi, stow or a home in small have them: as they are meant, or refused by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.dotfiles import layouts
from mlsh.dotfiles.chezmoi_names import chezmoi_name, named
from mlsh.dotfiles.source import Source, built_in, built_in_folder, find, own_folder
from mlsh.errors import NotFound, RefusedInput


def folder_of(tmp_path: Path, *files: str, **texts: str) -> Path:
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(name, f"{name}\n"))
    return tmp_path


def modes(source: Source) -> dict[str, int]:
    return {file.path: file.mode for file in source.files}


def problems(source: Source) -> dict[str, str]:
    return {problem.path: problem.why for problem in source.problems}


def test_chezmoi_s_names_are_read_as_chezmoi_reads_them(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        "dot_config/htop/htoprc",
        "private_dot_netrc",
        "dot_local/bin/executable_hello",
        "private_dot_gnupg/gpg.conf",
        "readonly_dot_fixed",
        "create_dot_once",
        "exact_dot_exact/a",
        "literal_dot_name",
        "dot_x.tmpl.literal",
        ".git/config",
        ".hidden/x",
    )
    assert modes(layouts.read(folder)) == {
        ".config/htop/htoprc": 0o644,
        ".netrc": 0o600,
        ".local/bin/hello": 0o755,
        ".gnupg/gpg.conf": 0o600,
        ".fixed": 0o444,
        ".once": 0o644,
        ".exact/a": 0o644,
        "dot_name": 0o644,
        ".x.tmpl": 0o644,
    }
    assert [file.path for file in layouts.read(folder).files if file.once] == [".once"]


def test_what_chezmoi_alone_can_do_is_named_and_nothing_of_it_is_sent(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        "dot_bashrc.tmpl",
        "run_once_install.sh",
        "run_after_x.sh.tmpl",
        "modify_dot_profile",
        "symlink_dot_vim",
        "encrypted_private_dot_netrc.age",
        "remove_dot_old",
        "dot_zshrc",
    )
    source = layouts.read(folder)
    assert [file.path for file in source.files] == [".config/mlsh/zshrc"]
    assert problems(source) == {
        "dot_bashrc.tmpl": "is a template, which only chezmoi can fill in",
        "run_once_install.sh": "is a script that chezmoi runs",
        "run_after_x.sh.tmpl": "is a script that chezmoi runs",
        "modify_dot_profile": "is a script that chezmoi runs to change a file",
        "symlink_dot_vim": "is a link that chezmoi makes",
        "encrypted_private_dot_netrc.age": "is encrypted",
        "remove_dot_old": "names a file that chezmoi removes",
    }
    with pytest.raises(RefusedInput, match=r"dot_bashrc\.tmpl: is a template"):
        source.check()
    source.without_problems().check()


def test_what_chezmoi_ignores_is_ignored(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "dot_a", "README.md", "docs/x", "dot_b.tmpl")
    (folder / ".chezmoiignore").write_text("README.md # not for homes\ndocs\n.b\n")
    source = layouts.read(folder)
    assert list(modes(source)) == [".a"]
    assert source.problems == ()
    (folder / ".chezmoiignore").write_text('{{ if ne .chezmoi.os "linux" }}\n.a\n{{ end }}\n')
    assert ".chezmoiignore" in problems(layouts.read(folder))


def test_chezmoi_s_root_may_be_a_folder_in_the_repository(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "home/dot_a", "install.sh")
    (folder / ".chezmoiroot").write_text("home\n")
    assert list(modes(layouts.read(folder))) == [".a"]
    (folder / ".chezmoiroot").write_text("../..\n")
    with pytest.raises(RefusedInput, match="chezmoiroot"):
        layouts.read(folder)


def test_stow_s_packages_are_read_as_stow_reads_them(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, "bash/.bashrc", "vim/.vim/vimrc", "bin/dot-local/bin/hello", "bash/README.md", "README.md"
    )
    (folder / "bin/dot-local/bin/hello").chmod(0o755)
    source = layouts.read(folder)
    assert modes(source) == {".config/mlsh/bashrc": 0o644, ".config/mlsh/vimrc": 0o644, ".local/bin/hello": 0o755}


def test_two_packages_with_one_file_are_named(tmp_path: Path) -> None:
    source = layouts.read(folder_of(tmp_path, "a/.x", "b/.x"))
    assert list(problems(source).values()) == ["would be the same file on a box as a/.x"]


def test_a_home_in_small(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ".bashrc", ".config/htop/htoprc", "bin/hello", "install.sh", "README.md", ".gitignore")
    assert list(modes(layouts.read(folder))) == [".config/htop/htoprc", ".config/mlsh/bashrc", "bin/hello"]


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["dot_bashrc"], "chezmoi"),
        ([".chezmoi.toml.tmpl", "x"], "chezmoi"),
        (["bash/.bashrc"], "stow"),
        ([".bashrc", "vim/.vimrc"], "plain"),
        ([".bashrc"], "plain"),
    ],
)
def test_the_layout_is_guessed(tmp_path: Path, files: list[str], layout: str) -> None:
    assert layouts.guess(folder_of(tmp_path, *files)) == layout


def test_what_has_no_place_on_a_box_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ".ssh/id_ed25519", ".ok")
    (folder / ".ssh/id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (folder / ".large").write_bytes(b"x" * (2 << 20))
    (folder / ".out").symlink_to("/etc/passwd")
    (folder / ".folder").symlink_to(".")
    (folder / ".a\nb").write_text("x")
    found = problems(layouts.read(folder))
    assert found == {
        ".ssh/id_ed25519": "is a private key, which has no place on a box",
        ".large": "is larger than 1 MiB: mlsh push sends large files",
        ".out": "is a link that leads out of the folder",
        ".folder": "is no plain file",
        ".a\nb": "its name has control characters",
    }


def test_files_for_some_boxes_come_in_place_of_others_or_besides_them(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "dot_a", "dot_b", "hosts/gpu*/dot_a", "hosts/gpu*/dot_c", "hosts/login/dot_a")
    source = layouts.read(folder)
    texts = {
        name: {path: file.text for path, file in source.for_box([name]).items()} for name in ("gpu1", "login", "x")
    }
    assert texts["x"] == {".a": b"dot_a\n", ".b": b"dot_b\n"}
    assert texts["gpu1"] == {".a": b"hosts/gpu*/dot_a\n", ".b": b"dot_b\n", ".c": b"hosts/gpu*/dot_c\n"}
    assert texts["login"][".a"] == b"hosts/login/dot_a\n"
    assert source.for_box(["other", "gpu7"])[".c"].text, "a box has two names"


def test_one_s_own_files_come_over_the_built_in_ones(home: Path) -> None:
    plain = {file.path for file in built_in().files}
    assert ".config/mlsh/bashrc" in plain
    own = own_folder() / "dot_config/mlsh"
    own.mkdir(parents=True)
    (own / "bashrc").write_text("mine\n")
    (own / "rc.d").mkdir()
    (own / "rc.d/mine.sh").write_text("alias a=b\n")
    files = {file.path: file.text for file in built_in().files}
    assert files[".config/mlsh/bashrc"] == b"mine\n"
    assert set(files) - plain == {".config/mlsh/rc.d/mine.sh"}
    assert home in own.parents


def test_mlsh_s_own_have_nothing_that_can_t_be_sent() -> None:
    assert layouts.read(built_in_folder(), "chezmoi").problems == ()


def test_a_source_that_is_not_there_is_said(home: Path) -> None:
    for asked in ("nowhere", "~/nowhere", "user/repo"):
        with pytest.raises(NotFound, match="there is no folder"):
            find(asked)
    with pytest.raises(RefusedInput):
        find("--upload-pack=touch /tmp/x")
    with pytest.raises(RefusedInput, match="password"):
        find("https://ada:secret@example.org/x.git")
    (home / "empty").mkdir()
    with pytest.raises(NotFound, match="has no dotfiles"):
        find(str(home / "empty"))


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\0"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})


@given(NAMES, st.sampled_from([0o644, 0o755, 0o600, 0o700]))
def test_a_file_that_is_adopted_comes_back_under_its_own_name(name: str, mode: int) -> None:
    made = named(chezmoi_name(name, mode), is_folder=False)
    assert made.name == name
    assert not made.problem
    assert made.is_executable == bool(mode & 0o100)
    assert made.is_private == (not mode & 0o077)


@pytest.mark.parametrize(
    "name", ["dot_x", "private_x", "run_x", "x.tmpl", ".x.tmpl", ".private_x", "executable_", "literal_a"]
)
def test_names_that_would_mean_something_are_spelled_so_that_they_don_t(name: str) -> None:
    made = named(chezmoi_name(name, 0o755), is_folder=False)
    assert (made.name, made.problem, made.is_executable) == (name, "", True)
