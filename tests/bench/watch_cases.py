"""From a change on the box to `mlsh ps -w`, and what a watch of a quiet box sends."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

from tests.bed import ChaosProxy, wait_for
from tests.bench.measure import Row, row

if TYPE_CHECKING:
    from tests.bench.cases import Bench

# Run on the box, as what puts a state there: a rename, and a word about it. The clock is the same for all boxes.
_CHANGER = """import json, os, sys, time
home, job, count = os.path.expanduser("~/.mlsh"), sys.argv[1], int(sys.argv[2])
folder = f"{home}/jobs/{job}"
state = json.load(open(folder + "/state.json"))
for number in range(count):
    state["reason"] = str(time.monotonic_ns())
    with open(folder + "/new", "w") as file:
        file.write(json.dumps(state, separators=(",", ":")).ljust(511) + chr(10))
    os.rename(folder + "/new", folder + "/state.json")
    with open(f"{home}/nodes/{os.uname().nodename}.changes", "a") as told:
        told.write(job + chr(10))
    time.sleep(0.25)
"""


def watch(bench: Bench) -> list[Row]:
    """How long a change takes, and what a quiet box with ten running jobs costs."""
    box = bench.bed.box("watch")
    proxy = ChaosProxy(box.host, box.port)
    bench.laptop.add(box, via=proxy)
    run = [bench.mlsh, "run", "-d", "--no-code", "--on", "watch", "--", "sleep", "600"]
    jobs = [bench.laptop.command(*run).stdout.strip() for _ in range(10)]
    argv = [bench.mlsh, "ps", "-w", "--json", "--on", "watch"]
    watching = subprocess.Popen(argv, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert watching.stdout is not None
        while b'"watching"' not in watching.stdout.readline():
            pass
        count = bench.rounds * 5
        box.write("~/changer.py", _CHANGER)
        changer = bench.laptop.spawn_ssh("watch", f"python3 changer.py {jobs[0]} {count}")
        took: list[float] = []
        while len(took) < count:
            fields = json.loads(watching.stdout.readline())
            if fields["id"] == jobs[0] and fields["reason"].isdigit():
                took.append((time.monotonic_ns() - int(fields["reason"])) / 1e9)
        changer.communicate()
        rates = []
        for _ in range(3):
            before, began = proxy.bytes_down + proxy.bytes_up, time.monotonic()
            wait_for(lambda until=began + 12: time.monotonic() > until, 15, "twelve seconds")
            rates.append((proxy.bytes_down + proxy.bytes_up - before) / (time.monotonic() - began))
    finally:
        watching.kill()
        watching.communicate()
        proxy.close()
        bench.bed.rm(box)
    return [
        row("a change on the box: state written to line of `mlsh ps -w`", "a second", took, [1.0] * count, 1),
        row("`mlsh ps -w` of a quiet box, ten jobs running", "1 kB/s", rates, [1000.0] * 3, 1, unit="B/s"),
    ]
