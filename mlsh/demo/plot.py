"""A loss curve from log text, as lines of a terminal plot.

Why not a library: measured were plotext 6.1 (2.9 MB; 210 ms to import, where all of mlsh starts in 45) and
plotille 6.0 (raises on NaN, which is what a diverging run prints; has no plain-ASCII mode). One curve with
axes is this file.
"""

import itertools
import math
import re
from collections.abc import Iterator

# Which bit of a braille character (U+2800 and on) lights the dot at [row][column] of its 4 x 2 cell.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_NUMBER = r"((?>[-+]?(?:[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?|nan|inf))(?!\w))"

Curve = list[tuple[float, float]]


def read_curve(text: str, key: str = "loss") -> Curve:
    """The (step, value) pairs of lines such as `step=120 loss=0.43`, in order; values may be nan or inf."""
    pattern = re.compile(rf"(?<![\w])step={_NUMBER}[^\r\n]*?(?<![\w]){re.escape(key)}={_NUMBER}", re.IGNORECASE)
    pairs = ((float(step), float(value)) for step, value in pattern.findall(text))
    return [(step, value) for step, value in pairs if math.isfinite(step)]


def plot(
    curve: Curve,
    width: int = 72,
    height: int = 14,
    *,
    title: str = "loss",
    unicode: bool = True,
    color: bool = False,
) -> list[str]:
    """At most `height` lines of at most `width` columns (colour codes not counted): title, curve, axes.

    Values that aren't finite are left out of the curve and counted in the title.
    """
    points = [(step, value) for step, value in curve if math.isfinite(step) and math.isfinite(value)]
    head = title
    if points:
        head += f": {points[0][1]:.4g} at first, {points[-1][1]:.4g} at last"
    if len(points) < len(curve):
        head += f" ({len(curve) - len(points)} not finite)"
    if not points:
        return [(head + ": nothing to plot")[: max(0, width)]][: max(0, height)]

    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    labels = [f"{high:.3g}", f"{low:.3g}"]
    gutter = max(map(len, labels)) + 2  # the number, a space, the axis
    columns, rows = width - gutter, height - 3
    if columns < 10 or rows < 2:
        return [head[: max(0, width)]][: max(0, height)]

    cell_w, cell_h = (2, 4) if unicode else (1, 1)
    dots = {
        (round(x * (columns * cell_w - 1)), round((1 - y) * (rows * cell_h - 1)))
        for x, y in _joined(
            [(_share(s, min(steps), max(steps)), _share(v, low, high)) for s, v in points],
            columns * cell_w,
            rows * cell_h,
        )
    }
    cells = [[0] * columns for _ in range(rows)]
    for x, y in dots:
        cells[y // cell_h][x // cell_w] |= _BRAILLE[y % cell_h][x % cell_w]

    side, corner, floor = ("│", "└", "─") if unicode else ("|", "+", "-")
    paint, plain = ("\x1b[36m", "\x1b[0m") if color else ("", "")
    lines = [head[:width]]
    for row, bits in enumerate(cells):
        label = labels[0] if row == 0 else labels[1] if row == rows - 1 else ""
        drawn = "".join((chr(0x2800 + b) if unicode else "*") if b else " " for b in bits).rstrip()
        lines.append(f"{label:>{gutter - 2}} {side}" + (paint + drawn + plain if drawn else ""))
    lines.append(" " * (gutter - 1) + corner + floor * columns)
    left, right = f"step {min(steps):.6g}", f"{max(steps):.6g}"
    lines.append((" " * gutter + left + right.rjust(columns - len(left)))[:width])
    return lines


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two ends, 0 to 1. Halved first: 1e308 - -1e308 would be infinite."""
    span = high / 2 - low / 2
    return min(1.0, max(0.0, (value / 2 - low / 2) / span)) if span else 0.5


def _joined(points: Curve, columns: int, rows: int) -> Iterator[tuple[float, float]]:
    """The points, and enough between each two neighbours that a line of dots joins them."""
    yield points[0]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        count = max(1, math.ceil(abs(x1 - x0) * columns), math.ceil(abs(y1 - y0) * rows))
        for i in range(1, count + 1):
            yield x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count
