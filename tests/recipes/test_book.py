"""The starter book: each recipe is right as shell, and those that need no hardware and no network run on a real box."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import mlsh.recipes
from mlsh.box import process
from mlsh.recipes.cheat import Recipe, parse
from mlsh.recipes.collection import BOOK, load
from mlsh.recipes.render import is_secret, rendered
from mlsh.recipes.scan import scan
from tests.bed import Bed, Box, wait_for

HERE = Path(mlsh.recipes.__file__).parent
SHEETS = {path.stem: parse(path.read_text()) for path in sorted((HERE / "book").glob("*.cheat"))}
RECIPES = {recipe.name: recipe for sheet in SHEETS.values() for recipe in sheet.recipes}
JOB = (HERE / "job.sh").read_text()
# Deliberate: text for awk, python and the other end of ssh stands in single quotes.
NOT_CHECKED = "SC2016"


def sample(recipe: Recipe) -> dict[str, str]:
    """A value of each parameter: its default, or its example."""
    hints = {name: recipe.hints[name] for name in recipe.parameters}
    return {name: hint.example if hint.default is None else hint.default for name, hint in hints.items()}


# All of them, as text


def test_the_book_reads_without_a_problem_and_has_no_name_twice() -> None:
    assert {name: sheet.problems for name, sheet in SHEETS.items() if sheet.problems} == {}
    assert len(RECIPES) == sum(len(sheet.recipes) for sheet in SHEETS.values()) >= 60
    assert [one.recipe.name for one in load().found if one.origin == BOOK]


@pytest.mark.parametrize("name", RECIPES)
def test_a_newcomer_can_try_each_recipe(name: str) -> None:
    recipe = RECIPES[name]
    assert scan(recipe.text).is_whole
    for parameter in recipe.parameters:
        hint = recipe.hints[parameter]
        assert hint.example or hint.default is not None
        assert not is_secret(recipe, parameter)
    assert re.match(rf"{re.escape(recipe.name)}\Z", recipe.name)


@pytest.mark.parametrize("value", ["", "a b'c\"d$(id)`id`\\"], ids=["sample", "hostile"])
def test_each_recipe_is_right_as_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    from mlsh.cli.recipe_run import run

    monkeypatch.setattr(process, "log", process.CommandLog())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NAVI_PATH", str(tmp_path))
    runner = CliRunner()
    for name, recipe in RECIPES.items():
        given = sample(recipe)
        if value:
            # Where the text leaves no way to quote, plain values are all that is taken.
            slots = {slot.name for slot in scan(recipe.text).slots if slot.context in {"plain", "single", "double"}}
            raw = {key for key, hint in recipe.hints.items() if hint.raw}
            given |= dict.fromkeys(slots & set(given) - raw, value)
        said = runner.invoke(run, ["--dry-run", name, *(f"{key}={text}" for key, text in given.items())])
        assert said.exit_code == 0, (name, said.output)
        if value:
            assert said.stdout.count("$(id)") == sum(text == value for text in given.values()) or "<" in recipe.text
        (tmp_path / f"{name}.sh").write_text(f"#!/bin/bash\n{said.stdout}")
    scripts = sorted(map(str, tmp_path.glob("*.sh")))
    for script in scripts:
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0, script
    if not value:
        checked = subprocess.run(
            ["shellcheck", "-s", "bash", "-e", NOT_CHECKED, "-f", "gcc", *scripts],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.stdout == ""


# On a box


@pytest.fixture(scope="module")
def box(bed: Bed) -> Iterator[Box]:
    made = bed.box("book")
    made.sh(
        "git config --global user.name Ada; git config --global user.email a@b.c; mkdir -p ~/bin;"
        "git config --global init.defaultBranch main"
    )
    yield made
    bed.rm(made)


def play(machine: Box, name: str, before: str = "", fails: bool = False, **values: str) -> str:
    """Run a recipe as a job on a box runs it, in bash, after some preparation; returns all that it said."""
    recipe = RECIPES[name]
    steps = [step.text for step in rendered(recipe, sample(recipe) | values)]
    argv = ["bash", "-c", JOB, "mlsh", name, "box", "1", *steps]
    ran = machine.sh(f"export PATH=$HOME/bin:$PATH\n{before}\n{shlex.join(argv)} 2>&1 </dev/null", check=not fails)
    assert (ran.returncode != 0) is fails, ran.stdout
    return ran.stdout


def command(box: Box, name: str, script: str) -> None:
    """A stand-in for a command that needs hardware or the network: what is tested is how it is called."""
    box.write(f"~/bin/{name}", f"#!/bin/bash\n{script}\n", 0o755)


ECHO = 'printf "%s" "${0##*/}"; printf " [%s]" "$@"; echo'


def test_ports(box: Box) -> None:
    box.sh("cd /tmp; setsid python3 -m http.server 8888 >/dev/null 2>&1 &")
    wait_for(lambda: "python3" in play(box, "port-list"), 20, "the server")
    assert '"python3"' in play(box, "port-holder")
    assert play(box, "port-answers", host="localhost").endswith("open\n")
    assert int(play(box, "port-free").split("\n")[-2]) > 1023
    play(box, "port-kill")
    wait_for(lambda: "python3" not in play(box, "port-holder"), 20, "the server's end")
    play(box, "port-answers", host="localhost", fails=True)


def test_ssh(box: Box) -> None:
    box.sh(
        "mkdir -p -m 755 ~/.ssh; ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; "
        "cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys; ssh-keyscan localhost >~/.ssh/known_hosts 2>/dev/null; "
        "printf 'Host localhost\\n ControlPath ~/.ssh/cm-%%C\\n' >~/.ssh/config; chmod 644 ~/.ssh/*"
    )
    play(box, "ssh-modes")
    assert box.sh("stat -c '%a %n' ~/.ssh ~/.ssh/*").stdout.split()[::2] == ["700", "600", "600", "600", "644", "644"]
    assert "hostname localhost" in play(box, "ssh-means", box="localhost")
    assert "Authenticated" in play(box, "ssh-why", box="localhost")
    assert "ED25519" in play(box, "ssh-fingerprints", host="localhost")
    box.sh("mkdir -p 'in dir' out; echo x >'in dir/a b'")
    play(box, "rsync-up", folder="in dir", target="out/to here", box="localhost")
    assert box.sh("cat 'out/to here/a b'").stdout == "x\n"
    box.sh("ssh -fN -M localhost >/dev/null 2>&1")
    play(box, "ssh-close-shared", box="localhost")
    assert not box.processes(r"ssh.*-M localhost")
    assert "localhost" in play(box, "ssh-forget-host", host="localhost")
    assert "ssh-" not in box.sh("grep localhost ~/.ssh/known_hosts", check=False).stdout


def test_tmux(box: Box) -> None:
    box.sh("tmux new-session -d -s work -x 80 -y 24 bash --norc; tmux new-session -d -s work2")
    assert "work: 1 windows" in play(box, "tmux-sessions")
    play(box, "tmux-type", text="echo $((40 + 2))'!'")
    wait_for(
        lambda: "\n42!" in (play(box, "tmux-save-output") and box.sh("cat tmux-output.txt").stdout), 20, "the answer"
    )
    play(box, "tmux-scrollback")
    assert box.sh("tmux show -gv history-limit").stdout == "100000\n"
    assert "bash" in play(box, "tmux-end")
    assert box.sh("tmux ls -F '#S'").stdout == "work2\n"
    box.sh("tmux kill-server")


REPO = (
    "rm -rf r && git init -q r && cd r && for n in 1 2 3; do echo $n >train.py; git add .; git commit -qm c$n; done\n"
)


def git(box: Box, name: str, before: str = "", after: str = "git status -sb", **values: str) -> tuple[str, str]:
    said = play(box, name, REPO + before, **values)
    return said, box.sh(f"cd r && {after}").stdout


def test_git_history(box: Box) -> None:
    assert git(box, "git-uncommit")[1] == "## main\nM  train.py\n"
    assert git(box, "git-wrong-branch", after="git log --format=%s --all --not main; git log -1 --format=%s main")[
        1
    ] == ("c3\nc2\n")
    assert "not uptodate" in play(box, "git-wrong-branch", f"{REPO}echo mine >train.py", fails=True)
    assert git(box, "git-reword", message="it's new", after="git log -1 --format=%s")[1] == "it's new\n"
    assert "c2" in git(box, "git-was")[0]
    assert "c2" in git(box, "git-when-text", text="2")[0]
    assert "13 train.py" in git(box, "git-big-files", "echo longer_is_it >train.py; git commit -qam big")[0]
    assert "c3" not in git(box, "git-catch-up", "git clone -q . ../r2 2>/dev/null; git remote add origin .; ")[1]
    assert "\x1b[31m2\x1b[m\x1b[32m3" in git(box, "git-words")[0]
    assert "Ada" in git(box, "git-who", lines="1,1")[0]


def test_git_files(box: Box) -> None:
    assert git(box, "git-unstage", "echo 4 >train.py; git add .")[1] == "## main\n M train.py\n"
    assert git(box, "git-file-back", "echo 4 >train.py", rev="HEAD~1", after="cat train.py")[1] == "2\n"
    untracked = git(box, "git-untrack", after="cat .gitignore train.py")
    assert untracked[1] == "train.py\n3\n"
    assert git(box, "git-clean", "mkdir d; touch d/x y", after="ls -A")[1] == ".git\ntrain.py\n"
    assert (
        git(box, "git-worktree", "git branch feature; rm -rf ../feature", after="cat ../feature/train.py")[1] == "3\n"
    )
    assert git(box, "git-index-lock", "touch .git/index.lock", after="ls .git | grep lock; true")[1] == ""
    conflict = "git switch -qc side HEAD~1; echo s >train.py; git commit -qam s; git merge -q main >/dev/null 2>&1"
    for op in ("merge -q", "rebase -q", "cherry-pick", "revert"):
        begin = conflict.replace("merge -q", op)
        assert git(box, "git-abort", f"{begin}; true", after="git status -s")[1] == "", op


def test_disk(box: Box) -> None:
    box.sh("mkdir -p 'd x/many' d; touch 'd x/many/'{1..30}; head -c 300000 /dev/zero >'d x/big'")
    box.sh("touch -d '60 days ago' d/old.pt; touch d/new.pt")
    assert "Use%" in play(box, "disk-full")
    assert re.search(r"^\S+\td x/many$", play(box, "disk-biggest", folder="d x"), re.M)
    assert re.search(r"293K \S+ d x/big", play(box, "disk-big-files", folder="d x", size="100k"))
    assert "30 d x/many" in play(box, "disk-many-files", folder="d x")
    play(box, "disk-old-checkpoints", folder="d")
    assert box.sh("ls d").stdout == "new.pt\n"
    box.sh("exec 9>ghost-file; rm ghost-file; setsid sleep 300 >/dev/null 2>&1 </dev/null & ")
    assert "ghost-file" in play(box, "disk-ghosts")
    box.sh("pkill sleep")
    box.sh("mkdir -p .cache/huggingface/hub/models--a; head -c 50000 /dev/zero >.cache/huggingface/hub/models--a/w")
    assert "models--a" in play(box, "hf-cached")
    assert "total" in play(box, "disk-caches")
    play(box, "hf-cache-move", target="big disk/hf")
    assert box.sh("readlink .cache/huggingface; ls .cache 'big disk/hf/hub'").stdout.split("\n")[:2] == [
        f"{box.home}/big disk/hf", ".cache:",
    ]  # fmt: skip
    assert "huggingface.old" not in box.sh("ls .cache").stdout


def test_processes(box: Box) -> None:
    box.write("~/train_me.py", "import time; time.sleep(300)")
    box.sh("API=1 setsid python3 train_me.py >/dev/null 2>&1 </dev/null &")
    wait_for(lambda: box.processes("^python3 train_me.py"), 20, "the process")
    pid = box.processes("^python3 train_me.py")[0].pid
    assert "train_me.py" in play(box, "mem-top") + play(box, "cpu-top")
    assert "open files" in play(box, "proc-open-files", pid=str(pid))
    assert "API=1" in play(box, "proc-env", pid=str(pid))
    assert box.home in play(box, "proc-files", pid=str(pid))
    said = play(box, "proc-end", pattern="train_me.py")
    assert f"{pid} python3 train_me.py" in said
    wait_for(lambda: not box.processes("^python3 train_me.py"), 20, "its end")
    assert "/dev/shm" in play(box, "shm-full")


SERVER = """\
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def do_GET(self):
        self.answer({"/health": "", "/v1/models": '{"data": [{"id": "tiny"}]}'}.get(self.path,
            "vllm:num_requests_running 1\\nvllm:kv_cache_usage_perc 0.5\\nvllm:other 2\\n"))
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(json.dumps({"said": asked["messages"][0]["content"], "model": asked["model"]}))
http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""


def test_servers(box: Box) -> None:
    box.write("~/server.py", SERVER)
    box.sh("setsid python3 server.py >/dev/null 2>&1 </dev/null &")
    assert play(box, "vllm-ready").endswith("ready\n")
    assert '"id": "tiny"' in play(box, "vllm-models")
    assert 'say \\"it\'s\\" $(id)' in play(box, "vllm-ask", model="tiny", prompt='say "it\'s" $(id)')
    assert re.findall(r"^vllm:\S+", play(box, "vllm-load"), re.MULTILINE) == [
        "vllm:num_requests_running",
        "vllm:kv_cache_usage_perc",
    ]
    box.sh("pkill -f server.py")
    for name in ("vllm", "hf"):
        command(box, name, ECHO)
    assert "vllm [serve] [Qwen/Qwen3-8B] [--port] [8000]" in play(box, "vllm-serve")
    assert "hf [download] [Qwen/Qwen3-8B] [--local-dir] [m x]" in play(box, "hf-download", folder="m x")


TORCH = """\
__version__ = "2.9"
class version:
    cuda = "12"
class cuda:
    is_available = staticmethod(bool)
"""


def test_gpus(box: Box) -> None:
    command(box, "nvidia-smi", f"case $* in *noheader*) echo 1; echo 1;; *) {ECHO};; esac")
    assert re.search(r"^ +1 root ", play(box, "gpu-who"), re.M)
    assert "[topo] [-m]" in play(box, "gpu-links")
    show = "python3 -c 'import os; print({k: v for k, v in os.environ.items() if \"CUDA\" in k})'"
    assert "'CUDA_VISIBLE_DEVICES': '0,2'" in play(box, "gpu-only", gpus="0,2", command=show)
    assert "'CUDA_LAUNCH_BLOCKING': '1'" in play(box, "gpu-error-line", command=show)
    assert "expandable_segments:True" in play(box, "gpu-oom", command=show)
    box.write("~/m/torch.py", TORCH)
    command(box, "python", 'PYTHONPATH=~/m exec python3 "$@"')
    assert "torch 2.9 cuda 12 usable False" in play(box, "gpu-versions")
    assert "torch sees no GPU" in play(box, "gpu-check", fails=True)


def test_training(box: Box) -> None:
    for name in ("torchrun", "accelerate", "nsys"):
        command(box, name, f"{ECHO}; env | grep -E '^(NCCL|TORCH)'; true")
    args = {"script": "my train.py", "args": "--lr 3e-4"}
    assert "[--nproc-per-node=gpu] [my train.py] [--lr] [3e-4]" in play(box, "torchrun-one", **args)
    assert "[--node-rank=0] " in play(box, "torchrun-nodes", **args)
    assert "accelerate [launch] [--num_processes] [1] [my train.py]" in play(box, "accelerate-run", **args)
    assert "NCCL_DEBUG=INFO" in play(box, "nccl-debug")
    assert "NCCL_SOCKET_IFNAME=eth0" in play(box, "nccl-interface")
    assert "TORCH_DISTRIBUTED_DEBUG=DETAIL" in play(box, "dist-debug")
    assert "[--output=report] [python] [train.py]" in play(box, "gpu-timeline")
    box.write("~/my train.py", "import sys; print('loss=0.5 lr', sys.argv[1:]); print('loss: 2.5e-01'); sys.exit(3)")
    assert "['--lr', '3e-4']" in play(box, "run-logged", fails=True, **args)
    assert play(box, "log-number", log="train.log").endswith("loss=0.5\nloss: 2.5e-01\n")
    box.write("~/my train.py", "sum(range(10))")
    assert "cumulative" in play(box, "py-profile", script="my train.py")
    assert "json.decoder" in play(box, "py-imports")
    assert "json/__init__.py" in play(box, "py-from", package="json")


CONDA = """\
shift 3
[ "$1 $2" = "python -c" ] && exec python3 "${@:2}"
printf '%s\\n' numpy==2.0 pip==24 conda-libmamba-solver==1 torch==2.9
"""


def test_from_conda_to_uv(box: Box) -> None:
    command(box, "uv", ECHO)
    command(box, "conda", CONDA)
    said = play(box, "conda-to-uv", env="my env")
    version = box.sh("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").stdout.strip()
    assert f"uv [venv] [--python] [{version}]" in said
    assert box.sh("cat requirements.txt").stdout == "numpy==2.0\ntorch==2.9\n"
    assert "uv [pip] [install] [-r] [requirements.txt]" in play(box, "uv-venv")
    assert "uv [add] [-r] [requirements.txt]" in play(box, "uv-project")


def test_data(box: Box) -> None:
    box.write("~/x y.csv", 'a,b\n"1,5",2\n3,4\n')
    assert "1,5\t2" in play(box, "csv-peek", file="x y.csv")
    box.write("~/n.csv", "a,b\n1,2\n3,-4\n")
    assert "count 2 mean -1 least -4 most 2" in play(box, "csv-column", file="n.csv", column="2")
    box.write("~/data.jsonl", '{"label": "a"}\n{"label": "b"}\n{"label": "a"}\n')
    assert '"label": "a"' in play(box, "jsonl-peek")
    play(box, "jsonl-bad")
    assert "2\ta" in play(box, "jsonl-values")
    box.write("~/bad.jsonl", "{}\n{x\n")
    assert "\n2 Expecting" in play(box, "jsonl-bad", file="bad.jsonl", fails=True)
    box.sh("seq 1000 >'s x'")
    play(box, "data-sample", file="s x", count="10", sample="some lines")
    assert box.sh("wc -l <'some lines'").stdout.strip() == "10"
    first = play(box, "data-split", file="s x") and box.sh("sha256sum 's x.val'; wc -l <'s x.val'").stdout
    assert first == (play(box, "data-split", file="s x") and box.sh("sha256sum 's x.val'; wc -l <'s x.val'").stdout)
    assert 50 < int(first.split()[-1]) < 150
    assert play(box, "data-leak", train="s x.train", val="s x.val").split("\n")[-2].strip() == "0"
    box.sh("printf 'b\\na\\nb\\n' >dup")
    assert re.search(r"^ +2 b$", play(box, "data-duplicates", file="dup"), re.M)
    box.sh("mkdir -p parts; cp 's x' parts/all")
    play(box, "data-shard", "cd parts", file="all", parts="3")
    assert box.sh("cd parts; ls; cat shard-* | cmp - all").stdout == "all\nshard-00\nshard-01\nshard-02\n"
    play(box, "data-sums", folder="parts")
    assert play(box, "data-verify").endswith("all as it was\n")
    assert "txt" in play(box, "data-kinds", "touch parts/'a.b c.txt'", folder="parts")
    play(box, "data-pack", folder="parts")
    play(box, "data-unpack", folder="again here", archive="data.tar.gz")
    box.sh("cmp 'again here/shard-01' parts/shard-01; echo changed >>parts/all")
    assert "FAILED" in play(box, "data-verify", fails=True)
    box.sh("cd parts; setsid python3 -m http.server 9000 >/dev/null 2>&1 &")
    wait_for(lambda: play(box, "port-holder", port="9000").count("9000") > 1, 20, "the server")
    play(box, "download", url="http://localhost:9000/all", file="got it")
    box.sh("cmp 'got it' parts/all; pkill -f http.server")
