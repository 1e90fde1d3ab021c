"""Plots as svg: where points lie, what is thinned out, and what has nothing to show."""

import re

from utils.page.markup import Html
from utils.page.plot import BOTTOM, HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, Axis, Curve, plot, thinned

import numpy as np
import pytest


def paths(figure):
    return re.findall(r'<path d="([^"]*)" class="curve', figure)


def drawn(x, y, axis=None):
    return plot(Html("title"), Axis("x"), axis or Axis("y"), [Curve("<name>", np.array(x), np.array(y), 0)])


def test_points_lie_where_they_should():
    [path] = paths(drawn([0.0, 1.0, 2.0], [5.0, 6.0, 7.0]))
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    middle = f"{(left + right) / 2:.1f} {(top + bottom) / 2:.1f}"
    assert path == f"M{left:.1f} {bottom:.1f}L{middle}L{right:.1f} {top:.1f}"


def test_what_is_no_number_is_a_gap():
    [path] = paths(drawn([0.0, 1.0, 2.0, 3.0], [1.0, np.nan, 2.0, 3.0]))
    assert path.count("M") == 2
    assert path.count("L") == 1


def test_a_curve_of_many_points_keeps_its_ends():
    x = np.arange(100_000.0)
    found = thinned(Curve("name", x, -x, 1, dashed=True))
    assert len(found.x) == MOST_POINTS
    assert (found.x[0], found.x[-1], found.y[-1]) == (0, 99_999, -99_999)
    assert found.dashed


def test_one_point_is_a_dot_and_none_is_no_figure():
    assert "<circle" in drawn([1.0], [0.5])
    assert drawn([], []) == ""
    assert drawn([1.0, 2.0], [np.nan, np.inf]) == ""


def test_names_are_escaped():
    assert "&lt;name&gt;" in drawn([0.0, 1.0], [0.0, 1.0])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 5, [1, 2, 3, 4, 5]),
        (0, 3e-4, [0, 5e-5, 1e-4, 1.5e-4, 2e-4, 2.5e-4, 3e-4]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert Axis("x").ticks(low, high) == pytest.approx(ticks)


def test_percents_are_shown_as_such():
    figure = drawn([0.0, 1.0], [0.0, 1.0], Axis("y", 0.0, 1.0, percent=True))
    assert ">20%</text>" in figure
