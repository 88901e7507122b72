"""The plot of a log: whatever a training run prints, it draws something that fits, or says why not."""

import math

from hypothesis import given
from hypothesis import strategies as st

from mlsh.demo.plot import plot, read_curve

curves = st.lists(st.tuples(st.floats(), st.floats()), max_size=60)


@given(curves, st.integers(-2, 120), st.integers(-2, 40), st.booleans())
def test_any_curve_fits_the_size_asked(
    curve: list[tuple[float, float]], width: int, height: int, unicode: bool
) -> None:
    lines = plot(curve, width, height, unicode=unicode)
    assert len(lines) <= max(0, height)
    assert all(len(line) <= max(0, width) for line in lines)
    assert all(line.isprintable() for line in lines)


@given(curves)
def test_without_utf8_every_character_is_ascii(curve: list[tuple[float, float]]) -> None:
    assert all(line.isascii() for line in plot(curve, unicode=False))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_a_finite_curve_gets_all_its_lines_and_its_ends_in_numbers(curve: list[tuple[float, float]]) -> None:
    lines = plot(curve, 72, 14)
    assert len(lines) == 14
    assert f"{max(value for _, value in curve):.3g}" in lines[1]
    assert f"{min(value for _, value in curve):.3g}" in lines[11]
    assert f"{max(step for step, _ in curve):.6g}" in lines[-1]


@given(curves)
def test_colour_only_adds_colour(curve: list[tuple[float, float]]) -> None:
    coloured = [line.replace("\x1b[36m", "").replace("\x1b[0m", "") for line in plot(curve, color=True)]
    assert coloured == plot(curve, color=False)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(math.isfinite(step) for step, _ in read_curve(text))


def test_a_run_that_diverged_is_drawn_as_far_as_it_went_and_says_so() -> None:
    curve = read_curve("step=1 loss=0.5\nstep=2 loss=0.7\nstep=3 loss=inf\nstep=4 loss=nan\n")
    assert plot(curve)[0] == "loss: 0.5 at first, 0.7 at last (2 not finite)"


def test_a_log_of_nothing_but_nan_says_that_there_is_nothing_to_plot() -> None:
    assert plot(read_curve("step=1 loss=nan")) == ["loss (1 not finite): nothing to plot"]


def test_val_loss_is_not_taken_for_loss() -> None:
    log = "step=10 val_loss=9 loss=0.5\r\nstep=20 loss=4e-1 val_loss=8\n\r[####] 3/9\rstep=30 loss=.25 x\n"
    assert read_curve(log) == [(10, 0.5), (20, 0.4), (30, 0.25)]
    assert read_curve(log, "val_loss") == [(10, 9), (20, 8)]


def test_a_falling_loss_falls_from_left_to_right() -> None:
    rows = plot([(step, 100 - step) for step in range(101)], 40, 13, unicode=False)[1:11]
    columns = [row.index("*") for row in rows]
    assert columns == sorted(columns)
    assert columns[0] < columns[-1]


def test_a_flat_loss_is_drawn() -> None:
    assert any("*" in line for line in plot([(1, 2.0), (2, 2.0)], unicode=False))
