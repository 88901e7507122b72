"""`mlsh find`: with fd and rg, with find and grep, with busybox, the same is found; hostile names do no harm."""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsh.box.local import LocalBox
from mlsh.config import Settings
from mlsh.errors import RefusedInput
from mlsh.places import finding, pattern
from mlsh.places.finding import Query, by_repository
from tests.bed import Box, Laptop
from tests.bed.requirements import not_possible_here

TREE = """\
cd "$1" && git init -q repo && cd repo
mkdir -p src/deep .hidden build 'with blank' nested dir.py
echo 'import os; lr = 3e-4' >src/train.py
echo 'LR = 1' >src/deep/Config.YAML
printf 'lr\\r\\nno\\r\\n' >src/dos.txt
printf 'lr\\0binary' >src/blob.bin
printf 'lr caf\\351\\n' >src/latin.txt
echo 'lr' >.hidden/x.py
echo 'lr' >.dot.py
echo 'lr' >build/out.py
echo 'lr' >noise.log
echo 'lr' >kept.log
echo 'lr' >'with blank/a b.py'
ln -s src/train.py link.py
printf 'build/\\n*.log\\n!kept.log\\n!.dot.py\\n/src/deep/gone*\\n' >.gitignore
echo 'lr' >src/deep/gone.py
git init -q nested && echo 'lr' >nested/in.py && echo 'lr' >nested/secret.py && echo secret.py >nested/.gitignore
git add -f build/out.py
cd .. && mkdir plain && echo '*.py' >plain/.gitignore && echo lr >plain/not_a_repo.py
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    env = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["sh", "-c", TREE, "sh", str(folder)], check=True, env=env)
    for name in (b"new\nline.py", b"-rf.py", b"\xff.py", b"esc\x1b[2J.py", b"$(id).py"):
        (Path(os.fsdecode(os.fsencode(folder / "repo") + b"/" + name))).write_text("lr = 2\n")
    return folder


class Here(LocalBox):
    """This machine with other commands on its PATH: `without` hides, `also` puts in front."""

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(Settings({}))
        self._folder, self._tools = folder, tools

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "PATH": str(self._tools), "HOME": str(self._folder)}


NEEDED = ("sh", "find", "git", "grep", "xargs", "sed", "cat", "printf", "tr", "cmp", "fd", "fdfind", "rg", "id", "env")


@pytest.fixture(scope="module")
def machines(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LocalBox]:
    """One with fd and rg, one with GNU's tools alone, one with busybox's."""
    base = tmp_path_factory.mktemp("tools")
    made: dict[str, LocalBox] = {}
    for name in ("fd", "gnu", "busybox"):
        folder = base / name
        folder.mkdir()
        for tool in NEEDED:
            if tool in {"fd", "fdfind", "rg"} and name != "fd":
                continue
            source = shutil.which(tool)
            if not source and tool != "fd":
                not_possible_here("Comparing with fd and rg", f"{tool} is not installed")
            if name == "busybox" and tool != "git":
                source = shutil.which("busybox")
            if source:
                (folder / tool).symlink_to(source)
        made[name] = Here(tree, folder)
    return made


CASES = [
    Query("", "."),
    Query("", ".", hidden=True),
    Query("", ".", ignored=True),
    Query(r"\.py$", ".", "f"),
    Query("", "repo", "d"),
    Query("", "repo", "l"),
    Query("", "repo/build"),
    Query("", "repo/.hidden"),
    Query("config", "repo", extensions=("yaml",)),
    Query("Config", "repo", extensions=("py", "Yaml"), is_sensitive=True),
    Query("^(a|in|train)", "repo/", extensions=("py",)),
    Query("lr", ".", is_content=True),
    Query("lr", ".", is_content=True, hidden=True),
    Query("lr", ".", is_content=True, ignored=True, hidden=True),
    Query("LR", "repo", is_content=True, is_sensitive=True),
    Query(r"^lr\s*=\s*\d", "repo", is_content=True),
    Query("lr$|caf", "repo/src", is_content=True),
    Query("lr", "repo", is_content=True, extensions=("PY", "bin")),
]


@pytest.mark.parametrize("query", CASES, ids=lambda query: f"{query.pattern}-{query.root}-{query.kind}")
def test_the_same_is_found_whatever_the_box_has(
    query: Query, tree: Path, machines: dict[str, LocalBox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    found = {name: finding.find(box, query).matches for name, box in machines.items()}
    assert found["fd"], query
    assert found["gnu"] == found["fd"]
    assert found["busybox"] == found["fd"]


def test_what_is_ignored_and_hidden_is_passed_over(
    tree: Path, machines: dict[str, LocalBox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    paths = {match.path for match in finding.find(machines["gnu"], Query("", ".", "f")).matches}
    assert {b"repo/src/train.py", b"repo/kept.log", b"repo/nested/in.py", b"plain/not_a_repo.py"} <= paths
    for gone in (
        b"repo/noise.log",
        b"repo/build/out.py",
        b"repo/nested/secret.py",
        b"repo/.dot.py",
        b"repo/.git/config",
    ):
        assert b"repo/" + gone not in paths
    (Path(machines["gnu"]._tools) / "git").rename(tree / "git")  # type: ignore[attr-defined]
    try:
        result = finding.find(machines["gnu"], Query("", ".", "f"))
    finally:
        (tree / "git").rename(Path(machines["gnu"]._tools) / "git")  # type: ignore[attr-defined]
    assert b"repo/noise.log" in {match.path for match in result.matches}
    assert "git would ignore" in result.notes[0]


# Patterns


@pytest.mark.parametrize(
    ("glob", "takes", "not_"),
    [("*.pt", "a.pt", "a.pth"), ("ckpt-?.{pt,bin}", "ckpt-1.bin", "ckpt-12.pt"), ("[!a]*", "b", "a"),
     ("a+b", "a+b", "aab"), ("[a-c]x", "bx", "dx"), (r"\*", "*", "x"), ("[", "[", "x"), ("a,b", "a,b", "a")],
)  # fmt: skip
def test_a_glob_means_the_whole_name(glob: str, takes: str, not_: str) -> None:
    made = re.compile(pattern.check(pattern.from_glob(glob)))
    assert made.search(takes)
    assert not made.search(not_)


@pytest.mark.parametrize("bad", ["(", "a(?=b)", r"(a)\1", "a\nb", r"\p{L}", "a++", "[z-a]"])
def test_a_pattern_that_means_something_else_elsewhere_is_refused(bad: str) -> None:
    with pytest.raises(RefusedInput):
        pattern.check(bad)


@pytest.mark.parametrize(
    ("text", "sensitive"), [("lr", False), ("LR", True), (r"\S+\W", False), (r"\SA", True), ("É", True)]
)
def test_a_capital_means_it(text: str, sensitive: bool) -> None:
    assert pattern.is_sensitive(text) is sensitive


@pytest.mark.parametrize(
    "text", [r"\d+", r"a.*?b", r"(?:x|y)z", r"[\w.]+@", r"[^\d]", r"\$\{x\}", r"a{2,3}", r"[]x]", r"\s"]
)
def test_grep_understands_what_was_meant(text: str) -> None:
    ere = pattern.to_ere(pattern.check(text))
    lines = ["1", "a b", "aXb", "yz", "me@x", "${x}", "aa", "a", "]", "", "-"]
    wanted = [line for line in lines if re.search(text, line)]
    ran = subprocess.run(["grep", "-E", "-e", ere], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == wanted


def test_what_grep_can_not_say_is_not_said_wrongly() -> None:
    assert [pattern.to_ere(text) for text in (r"\bx", "(?i)x", r"[\S]")] == ["", "", ""]


def test_paths_belong_to_the_innermost_repository() -> None:
    found = by_repository([b"a", b"a/b"], [b"x", b"a", b"a/x", b"a/b", b"a/b/c/d", b"ab/x"])
    assert found == {b"": [b"x", b"a", b"ab/x"], b"a": [b"a/x", b"a/b"], b"a/b": [b"a/b/c/d"]}


# As a person uses it


@pytest.fixture
def ada(laptop: Laptop, gpu1: Box) -> Iterator[Laptop]:
    laptop.add(gpu1)
    gpu1.sh("mkdir -p data .cfg; echo 'lr = 1' >data/conf.yaml; echo >.cfg/conf")
    gpu1.sh("echo >'data/new\nconf'; echo >'--help conf'")
    (laptop.home / "conf.py").write_text("lr = 2\n")
    yield laptop
    gpu1.clean()


def test_here_and_on_boxes_side_by_side(ada: Laptop) -> None:
    assert ada.run("find", "conf").stdout == "conf.py\n"
    both = ada.run("find", "conf", "--on", "local", "--on", "gpu1").stdout.splitlines()
    assert sorted(both) == [
        "gpu1:--help conf", "gpu1:data/conf.yaml", r"gpu1:data/new\nconf", "local:conf.py",
    ]  # fmt: skip
    lines = ada.run("find", "-c", "lr = ", "--on", "gpu1", "~/data").stdout
    assert lines == "gpu1:~/data/conf.yaml:1:lr = 1\n"
    # What the shell makes of ~ is the home here.
    assert ada.run("find", "-c", "lr = ", "--on", "gpu1", f"{ada.home}/data").stdout == lines
    zero = ada.run("find", "conf", "data", "--on", "gpu1", "-0").stdout
    assert zero == "gpu1:data/conf.yaml\0gpu1:data/new\nconf\0"
    plain = ada.run("find", "-F", "f.y", "--on", "gpu1").stdout + ada.run("find", "-g", "*.yaml", "--on", "gpu1").stdout
    assert plain == "gpu1:data/conf.yaml\n" * 2
    # What find prints, edit takes.
    assert "nothing was changed" in ada.run("edit", plain.split("\n")[0], env={"EDITOR": "true"}).stderr


def test_a_box_without_fd_and_rg_finds_the_same_over_ssh(ada: Laptop, gpu1: Box) -> None:
    gpu1.sh(
        "git init -q repo; cd repo; printf 'out/\\n*.log\\n' >.gitignore; mkdir -p out 'a b'; "
        "echo lr >out/x; echo lr >y.log; echo 'my lr' >'a b/it'\\''s'; echo lr >'-e'"
    )
    asked = [
        ("find", ""),
        ("find", "-H", ""),
        ("find", "-I", "", "repo"),
        ("find", "-c", "lr"),
        ("find", "-c", "lr", "-e", "log"),
    ]
    words = [[*one, "--json", "--on", "gpu1"] for one in asked]
    quick = [ada.run(*one, check=False).stdout for one in words]
    assert "a b/it's" in quick[0]
    assert "y.log" not in quick[0]
    gpu1.hide("fdfind", "fd", "rg")
    try:
        assert [ada.run(*one, check=False).stdout for one in words] == quick
    finally:
        gpu1.unhide("fdfind", "fd", "rg")


def test_json_tells_names_that_are_no_text(ada: Laptop, gpu1: Box) -> None:
    gpu1.sh("touch data/$'\\377'")
    rows = [json.loads(line) for line in ada.run("find", "", "data", "--on", "gpu1", "--json").stdout.splitlines()]
    assert {row["path"] for row in rows} == {"data/conf.yaml", "data/new\nconf", "data/\N{REPLACEMENT CHARACTER}"}
    assert [base64.b64decode(row["bytes"]) for row in rows if row["bytes"]] == [b"data/\xff"]
    [row] = [json.loads(line) for line in ada.run("find", "-c", "lr", "--on", "gpu1", "--json").stdout.splitlines()]
    assert (row["box"], row["path"], row["line"], row["text"]) == ("gpu1", "data/conf.yaml", 1, "lr = 1")


def test_exit_codes_and_errors_that_say_what_to_do(ada: Laptop, gpu1: Box, fresh_box: Box) -> None:
    assert ada.run("find", "nothing_like_it", check=False).returncode == 1
    for words, code in ((["("], 65), (["x", "no/such"], 66), (["x", "-e", "a/b"], 65), (["-0", "-c", "x"], 2),
                        (["x", "--on", "-oProxyCommand=x"], 65), (["-g", "-F", "x"], 2)):  # fmt: skip
        ran = ada.run("find", *words, check=False)
        assert (ran.returncode, ran.stderr[:6]) == (code, "mlsh: "), ran.stderr
    gpu1.sh("mkdir locked; touch locked/conf; chmod 0 locked")
    said = ada.run("find", "conf", "--on", "gpu1")
    assert "data/conf.yaml" in said.stdout
    assert "not all could be read" in said.stderr
    gpu1.sh("chmod 700 locked")
    ada.add(fresh_box)
    fresh_box.stop_sshd()
    half = ada.run("find", "conf", "--on", "gpu1", "--on", "fresh", check=False)
    assert half.returncode == 69
    assert "gpu1:data/conf.yaml" in half.stdout
    assert "fresh" in half.stderr


@pytest.mark.parametrize("rg", ["echo 'error: unknown flag' >&2; exit 2", "echo garbage; exit 0", "exit 137"])
def test_a_tool_that_fails_is_no_empty_result(ada: Laptop, gpu1: Box, rg: str) -> None:
    for tool, words, version in (("rg", ["-c", "lr"], "ripgrep 0.9"), ("fd", ["conf"], "fd 7.0")):
        gpu1.write(f"~/bin/{tool}", f'#!/bin/sh\n[ "$1" != --version ] || {{ echo {version}; exit 0; }}\n{rg}\n', 0o755)
        gpu1.write("~/.bashrc", "PATH=$HOME/bin:$PATH\n")
        if tool == "rg" or "garbage" not in rg:
            ran = ada.run("find", *words, "--on", "gpu1", check=False)
            assert ran.returncode == 70, ran.stderr
            assert "unexpected end" in ran.stderr


# z

ZOXIDE = """\
#!/bin/sh
[ "$1" = query ] || exit 2
shift
printf '/scratch/%s\\n' "$@" | sed 's/^.scratch.--/  12 \\/scratch\\/--/'
case "$*" in *nowhere*) echo 'zoxide: no match found' >&2; exit 1 ;; esac
"""


def test_z_prints_the_folder_or_how_to_get_zoxide(ada: Laptop, gpu1: Box) -> None:
    gpu1.hide("zoxide")
    missing = ada.run("z", "train", "--on", "gpu1", check=False)
    assert missing.returncode == 71
    assert "sudo apt-get install zoxide" in missing.stderr
    assert "mlsh bootstrap gpu1" in missing.stderr
    gpu1.write("~/.local/bin/zoxide", ZOXIDE, 0o755)
    assert ada.run("z", "--on", "gpu1", "train me").stdout.splitlines()[-1] == "/scratch/train me"
    lost = ada.run("z", "--on", "gpu1", "nowhere", check=False)
    assert lost.returncode == 66


def test_the_example_of_z_runs_nothing_that_a_folder_of_a_box_is_called(ada: Laptop, gpu1: Box) -> None:
    (example,) = re.findall(r"ssh -t gpu1 .*", ada.run("z", "--help").stdout)
    name = "a b'; touch RAN; $(touch RAN) `touch RAN` \" && touch RAN; '"
    gpu1.path(f"{gpu1.home}/{name}").mkdir()
    gpu1.unhide("zoxide")  # another test may have hidden it before
    gpu1.hide("zoxide")
    gpu1.write("~/.local/bin/zoxide", f"#!/bin/sh\ncat <<'END'\n{gpu1.home}/{name}\nEND\n", 0o755)
    shell = (
        f'mlsh() {{ {shlex.quote(sys.executable)} -m mlsh "$@"; }}; ssh() {{ command ssh -F {ada.ssh_config} "$@"; }}\n'
    )
    said = ada.command("bash", "-c", shell + example.replace("exec bash -l", "pwd"))
    assert said.stdout.splitlines()[-1:] == [f"{gpu1.home}/{name}"], said.stderr
    assert "RAN" not in gpu1.sh("ls").stdout.splitlines()
    assert not (ada.home / "RAN").exists()


def test_z_with_the_real_zoxide(laptop: Laptop) -> None:
    laptop.env["_ZO_DATA_DIR"] = str(laptop.home / "elsewhere")
    folder = laptop.home / "deep/train me"
    folder.mkdir(parents=True)
    laptop.command("zoxide", "add", str(folder))
    assert laptop.run("z", "train").stdout == f"{folder}\n"
    assert str(folder) in laptop.run("z", "-l", "deep", "train").stdout
