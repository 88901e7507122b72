"""`python -m tests.bench [CASE...] [--rounds N] [--write]`: measure, print the table, keep it in docs/benchmarks.md.

Needs root (the test bed's namespace boxes) and uv. mlsh is installed from this tree into a temporary
environment first, compiled and without development packages, as a person has it. The cases of bisect need none of
that and have options of their own: `python -m tests.bench bisect --help`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bed import Bed
from tests.bench import bisect_cases
from tests.bench.cases import CASES, Bench
from tests.bench.measure import Row, table
from tests.bench.queue_cases import GFLOW

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- table: python -m tests.bench --write -->", "<!-- end of table -->"


def install(folder: Path) -> Path:
    """An environment with mlsh and what it needs, nothing else."""
    venv = folder / "venv"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for argv in (
        ["uv", "venv", "-q", "--python", sys.executable, str(venv)],
        ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", str(venv / "bin/python"), str(ROOT)],
        [str(venv / "bin/python"), "-m", "compileall", "-q", str(venv / "lib")],
        ["uv", "venv", "-q", "--python", sys.executable, str(folder / "peers")],
        ["uv", "pip", "install", "-q", "--python", str(folder / "peers/bin/python"), GFLOW],
    ):
        subprocess.run(argv, check=True, env=env)
    return venv


def write(lines: list[str]) -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + "\n".join([BEGIN, *lines, END]) + after)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASES, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/benchmarks.md")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        venv = install(Path(folder))
        bed = Bed()
        for name in options.case or CASES:
            with bed.laptop() as laptop:
                found = CASES[name](Bench(venv, bed, laptop, options.rounds))
            for one in found:
                print(f"{one.ratio:6.2f} (goal {one.goal})  {one.what}  [{one.ours} : {one.other}]", flush=True)
            rows += found
    lines = table(rows)
    print("\n".join(lines))
    if options.write:
        command = " ".join(["python -m tests.bench", *options.case, f"--rounds {options.rounds} --write"])
        when = time.strftime("%Y-%m-%d")
        machine = (
            f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
        )
        write([f"`{command}`, {when}, {machine}", "", *lines])


if __name__ == "__main__":
    if bisect_cases.is_asked(sys.argv[1:]):
        bisect_cases.main(sys.argv[1:])
    else:
        main()
