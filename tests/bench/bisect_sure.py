"""An oracle that never lies: runs beside those of git, rounds of several workers, and what a choice costs."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlsh.bisect.candidates import candidates
from mlsh.bisect.recorded import range_of
from mlsh.bisect.repository import Repository
from mlsh.bisect.search.graph import Graph
from mlsh.bisect.search.range import Options, Purpose, Range
from mlsh.bisect.search.search import Search
from tests.bench.bisect_setting import Setting
from tests.bench.bisect_trials import all_of, mean, table, verdict_on
from tests.bisect import shapes
from tests.bisect.histories import History, random_dag

_SURE = shapes.lying(random.Random(0))


class Public(NamedTuple):
    """A range of a public repository, its culprit, and what tells good from bad."""

    name: str
    good: str
    bad: str
    culprit: str
    oracle: str


_ATTRS = Public(
    "attrs",
    "2de90143100e",
    "a9960de98d0f",
    "89a890a32622",
    """import attr
@attr.s(slots=True)
class C:
    x = attr.ib()
    y = attr.ib()
c = C(0, 0)
c.__setstate__((1, 2))
assert (c.x, c.y) == (1, 2)
""",
)
# hash(Name("a", "load")) works at both ends of this range; a node with a list in it is what broke.
_JINJA = Public(
    "jinja", "bbdafe33ce9f", "b7d12b6b1597", "60293416db69", "import jinja2.nodes\nhash(jinja2.nodes.List([]))\n"
)


def sure(setting: Setting) -> list[str]:
    """200 random histories with every commit as the culprit, and the two public ranges with real runs."""
    dags = max(2, setting.trials * 2 // 3)
    found = all_of(_compared, [(seed, setting.folder / f"dag{seed}") for seed in range(dags)])
    pairs = [pair for one in found for pair in one.runs]
    more = sum(mine > git for mine, git in pairs)
    checked = sum(one.checked for one in found)
    rows: list[Sequence[object]] = [
        [
            f"{dags} random histories of 10 to 70 commits, each commit as the culprit",
            f"{len(pairs)} searches",
            f"{mean(git for _, git in pairs):.2f}",
            f"{mean(mine for mine, _ in pairs):.2f}",
            f"{sum(mine < git for mine, git in pairs)} fewer, {more} more",
            verdict_on(met=more == 0),
        ]
    ]
    setting.say([*rows[0], f"the count of git's runs is that of a real git bisect run in {checked} of {checked}"])
    for public, clone in ((_ATTRS, setting.attrs), (_JINJA, setting.jinja)):
        row = _public(public, clone, setting)
        rows.append(row)
        setting.say(row)
    return [*table(["range", "", "runs of git", "of mlsh, beyond the ends", "", ""], rows), "", _checked(checked)]


def _checked(count: int) -> str:
    return f"git's runs are counted with `git rev-list --bisect`; {count} real `git bisect run` had the same count."


class Compared(NamedTuple):
    """Runs of ours and of git for each culprit of a history, and how many real `git bisect run` agreed."""

    runs: list[tuple[int, int]]
    checked: int


def _compared(of: tuple[int, Path]) -> Compared:
    seed, folder = of
    chance = random.Random(seed)
    history = History(folder)
    size = chance.randint(10, 70)
    if seed % 2:
        names = random_dag(seed, size)
    else:
        parents = shapes.branches(size, seed, at_once=1 + seed % 6)
        names = {f"c{i}": [f"c{p}" for p in chance.sample(of, len(of))] for i, of in enumerate(parents)}
    history.write(names)
    commits = [history.sha[name] for name in names]
    found = range_of(candidates(Repository(folder), [commits[0]], commits[-1]))
    graph = Graph(found.parents)
    git = _depths(history, found, graph)
    mine = []
    for culprit in range(graph.n):
        _, runs, _ = shapes.searched(Search(found, Options()), culprit, _SURE)
        mine.append(runs[Purpose.SEARCH] + runs[Purpose.CONFIRM])
    checked = 0
    if seed < 10:
        culprit = chance.randrange(graph.n)
        command = f"echo >>{folder}/.git/count; ! git merge-base --is-ancestor {found.commits[culprit]} HEAD"
        first, count = _git_run(history, found.bad, found.goods[0], ["sh", "-c", command], folder / ".git/count")
        assert (first, count) == (found.commits[culprit], git[culprit]), (seed, culprit, first, count, git[culprit])
        checked = 1
    return Compared(list(zip(mine, git, strict=True)), checked)


def _depths(history: History, found: Range, graph: Graph) -> list[int]:
    """How many runs git takes for each culprit: its choice at each state that it can come to."""
    at = {commit: position for position, commit in enumerate(found.commits)}
    depths = [0] * graph.n
    todo = [(found.bad, list(found.goods), np.ones(graph.n, dtype=np.bool_), 0)]
    while todo:
        bad, goods, possible, depth = todo.pop()
        wanted = history.git("rev-list", "--bisect", bad, *(f"^{good}" for good in goods))
        if wanted == bad:
            assert possible.sum() == 1
            depths[at[bad]] = depth
            continue
        inside = graph.ancestors(at[wanted])
        todo.append((wanted, goods, possible & inside, depth + 1))
        todo.append((bad, [*goods, wanted], possible & ~inside, depth + 1))
    return depths


def _git_run(history: History, bad: str, good: str, command: Sequence[str], count: Path) -> tuple[str, int]:
    """The first bad commit by a real `git bisect run`, and how often the command ran (it adds a line to `count`)."""
    history.git("bisect", "start", bad, good)
    said = history.git("bisect", "run", *command, check=False)
    history.git("bisect", "reset")
    first = [row.split()[0] for row in said.splitlines() if row.endswith("is the first bad commit")]
    return first[0] if first else "", len(count.read_text().splitlines())


def _public(public: Public, clone: Path | None, setting: Setting) -> list[object]:
    name = f"{public.name} `{public.good}..{public.bad}`"
    if clone is None or (public is _JINJA and setting.peers is None):
        return [name, f"not run: give a clone with --{public.name}", "", "", "", ""]
    folder = setting.folder / public.name
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", str(clone), str(folder)], check=True)
    history = History.__new__(History)
    history.folder = folder
    history.git("checkout", "-q", "--detach", public.bad)
    oracle = setting.folder / f"{public.name}_oracle.py"
    oracle.write_text(f"import sys\nsys.path.insert(0, 'src')\n{public.oracle}")
    python = setting.peers if public is _JINJA else Path(sys.executable)
    counts = {who: setting.folder / f"{public.name}-{who}" for who in ("git", "mlsh")}
    commands = {
        who: ["sh", "-c", f"echo >>{count}; exec {python} -B {oracle} 2>/dev/null"] for who, count in counts.items()
    }
    first, git = _git_run(history, public.bad, public.good, commands["git"], counts["git"])
    argv = [sys.executable, "-m", "mlsh", "bisect", "run", "--good", public.good, "--bad", public.bad, "--"]
    done = subprocess.run([*argv, *commands["mlsh"]], cwd=folder, capture_output=True, text=True, check=False)
    named = [row.split()[0] for row in done.stdout.splitlines() if row.endswith("is the first bad commit")]
    if not named:
        raise RuntimeError(f"mlsh bisect run named nothing: {done.stdout[-500:]} {done.stderr[-1500:]}")
    mine = len(counts["mlsh"].read_text().splitlines()) - 2
    right = all(commit.startswith(public.culprit) for commit in (first, named[0]))
    commits = history.git("rev-list", "--count", f"{public.good}..{public.bad}")
    return [
        name,
        f"{commits} commits, real runs of both",
        git,
        mine,
        f"both name {public.culprit}" if right else f"git names {first[:12]}, mlsh {named[0][:12]}",
        verdict_on(met=right and mine <= git),
    ]


def workers(setting: Setting) -> list[str]:
    """Rounds of k tests at a time, on lines, with the round at the ends among them."""
    lines = [100, 300, 1000]
    jobs = [(n, k, culprit) for k in (2, 4, 8) for n in lines for culprit in _spread(n, setting.trials)]
    rounds = dict(zip(jobs, all_of(_rounds, jobs), strict=True))
    rows = []
    for k in (2, 4, 8):
        for n in lines:
            found = [count for (of_n, of_k, _), count in rounds.items() if (of_n, of_k) == (n, k)]
            goal = math.ceil(round(math.log(n, k + 1), 9)) + 1
            one = math.ceil(math.log2(n)) + 1
            row = [k, f"{n:,}", f"{mean(found):.2f}", max(found), goal, one, verdict_on(met=max(found) <= goal)]
            rows.append(row)
            setting.say(row)
    header = ["workers", "commits", "rounds on average", "at most", "goal", "one worker, ends at once", ""]
    return [*table(header, rows), "", f"{len(_spread(300, setting.trials))} culprits each, spread over the line."]


def _spread(n: int, trials: int) -> list[int]:
    many = min(n, max(2, trials // 3))
    return [at * (n - 1) // (many - 1) for at in range(many)]


def _rounds(of: tuple[int, int, int]) -> int:
    n, k, culprit = of
    return shapes.searched(Search(shapes.range_of(shapes.line(n)), Options()), culprit, _SURE, k)[2]


def choice(setting: Setting) -> list[str]:
    """CPU of one step among 10,000 candidates: an answer is taken, the posterior made, the next test chosen."""
    rows = []
    for shape in ("line", "branched"):
        parents = shapes.line(10_000) if shape == "line" else shapes.branches(10_000, 1)
        range_ = shapes.range_of(parents)
        for name, options, k in [
            ("sure", Options(), 1),
            ("10 % false answers", Options(noisy=True), 1),
            ("10 % false answers, 4 workers", Options(noisy=True), 4),
        ]:
            start = time.process_time()
            search = Search(range_, options)
            built = time.process_time() - start
            took = _steps_s(search, k)
            row = [shape, name, f"{built:.2f} s", f"{mean(took) * 1000:.0f} ms", f"{max(took) * 1000:.0f} ms"]
            row += ["< 200 ms", verdict_on(met=max(took) < 0.2)] if k == 1 else ["", ""]
            rows.append(row)
            setting.say(row)
    return table(["history", "oracle", "made once", "a step, on average", "at most", "goal", ""], rows)


def _steps_s(search: Search, k: int) -> list[float]:
    """CPU seconds of each step in which a commit of the range is chosen, over a whole search."""
    chance = random.Random(1)
    answer = shapes.lying(chance, 0.1, 0.1) if search.noisy else _SURE
    took = []
    while True:
        start = time.process_time()
        done = search.verdict() is not None
        asks = [] if done else search.ask(k)
        spent = time.process_time() - start
        if asks and all(ask.purpose == Purpose.SEARCH for ask in asks):
            took.append(spent)
        if done:
            return took
        for ask in asks:
            is_bad = ask.commit != shapes.GOOD and bool(search.in_history(ask.commit)[6_543])
            search.tell(answer(ask, is_bad))
