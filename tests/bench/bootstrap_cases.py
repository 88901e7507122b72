"""`mlsh bootstrap` where there is nothing to do, on eight boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.measure import Row, pairs, row
from tests.bootstrap.fake_wheels import make_pins

if TYPE_CHECKING:
    from tests.bench.cases import Bench


def nothing_to_do(bench: Bench) -> list[Row]:
    """Eight boxes that are ready, all steps, against one warm ssh."""
    boxes = bench.bed.boxes([f"ready{number}" for number in range(8)])
    names = [box.name for box in boxes]
    for box in boxes:
        bench.laptop.add(box)
        bench.wall(*bench.ssh(box, "true"))
    make_pins(bench.laptop)
    bench.laptop.command(bench.mlsh, "bootstrap", *names, "-y", timeout=300)
    # -y must have nothing to say yes to, or this is no measure of nothing.
    said = bench.laptop.command(bench.mlsh, "bootstrap", *names, "-y").stdout
    assert said.count("nothing to do") == len(boxes), said
    ours = lambda: bench.wall(bench.mlsh, "bootstrap", *names, "-y")  # noqa: E731
    one = lambda: bench.wall(*bench.click()) + bench.wall(*bench.ssh(boxes[0], "true"))  # noqa: E731
    left, right = pairs(ours, one, bench.rounds)
    for box in boxes:
        bench.bed.rm(box)
    return [row("`mlsh bootstrap`, 8 boxes, nothing to do", "click import + one warm `ssh BOX true`", left, right, 4)]
