"""`python -m tests.bench bisect [--trials N] [--attrs DIR --jinja DIR] [--write]`: the figures of the search.

Cases: bisect-sure, bisect-noise, bisect-calibration, bisect-none, bisect-metric, bisect-workers, bisect-choice;
`bisect` is all of them. Neither root nor boxes are needed. For the public ranges, clone what is to be searched first:

    git clone https://github.com/python-attrs/attrs /tmp/attrs
    git clone https://github.com/pallets/jinja /tmp/jinja

git-bayesect, and the markupsafe that old jinja needs, are installed by uv into a temporary environment; without a
network those rows are left out, and it says so. 300 trials of each kind are the default: the seeds are 0 to 299, the
same for each tool.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.bisect_metric import metric
from tests.bench.bisect_noise import calibration, noise, none
from tests.bench.bisect_peers import BAYESECT
from tests.bench.bisect_setting import Setting
from tests.bench.bisect_sure import choice, sure, workers
from tests.bisect.histories import plain_environment

CASES: dict[str, Callable[[Setting], list[str]]] = {
    "bisect-sure": sure,
    "bisect-noise": noise,
    "bisect-calibration": calibration,
    "bisect-none": none,
    "bisect-metric": metric,
    "bisect-workers": workers,
    "bisect-choice": choice,
}
_PAGE = Path(__file__).parents[2] / "docs/benchmarks.md"


def is_asked(words: Sequence[str]) -> bool:
    """Whether a command line of `python -m tests.bench` is about these cases."""
    return any(word == "bisect" or word in CASES for word in words)


def main(words: Sequence[str]) -> None:
    """Run the cases, print their tables, keep them in the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("case", nargs="+", choices=["bisect", *CASES])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--attrs", type=Path, help="a clone of github.com/python-attrs/attrs")
    parser.add_argument("--jinja", type=Path, help="a clone of github.com/pallets/jinja")
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/benchmarks.md")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        peers = _peers(Path(folder) / "peers")
        home = Path(folder) / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        plain = plain_environment(home)
        os.environ.clear()
        # What the tools print is read, and what runs in parallel is ours to say.
        os.environ.update({**plain, "LC_ALL": "C", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_PAGE.parents[1])})
        setting = Setting(options.trials, Path(folder), options.attrs, options.jinja, peers)
        for name in CASES if "bisect" in options.case else options.case:
            start = time.perf_counter()
            lines = CASES[name](setting)
            print("\n".join([f"{name}, {time.perf_counter() - start:.0f} s", "", *lines, ""]), flush=True)
            if options.write:
                _write(name, [_how(name, options.trials), "", *lines])


def _peers(folder: Path) -> Path | None:
    """A Python that has git-bayesect and what jinja needs; None where they can't be had."""
    python = folder / "bin/python"
    try:
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        wanted = [BAYESECT, "markupsafe==2.0.1"]
        subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), *wanted], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no git-bayesect, and no jinja: {error}", file=sys.stderr)
        return None
    return python


def _how(name: str, trials: int) -> str:
    when = time.strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {_git()}"
    given = " --attrs DIR --jinja DIR" if name == "bisect-sure" else ""
    given += "" if trials == 300 else f" --trials {trials}"
    return f"`python -m tests.bench {name}{given} --write`, {when}, {machine}"


def _git() -> str:
    return subprocess.run(["git", "version"], check=True, capture_output=True, text=True).stdout.strip()


def _write(name: str, lines: Sequence[str]) -> None:
    """Put a case's table between its marks in the page."""
    begin, end = f"<!-- table: {name} -->", f"<!-- end of {name} -->"
    before, _, rest = _PAGE.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise RuntimeError(f"{_PAGE} has no marks for {name}: {begin} and {end}")
    _PAGE.write_text(before + "\n".join([begin, *lines, end]) + after)
