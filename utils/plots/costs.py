"""What networks cost against each other: a point a network, a colour and a marker a family."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ..cost_table import Row, name_of, size_of
from .canvas import one_panel

# Paul Tol's muted scheme: with three markers in turn, more families than there are keep apart
COLOURS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#222222")
MARKERS = ("o", "s", "^")
NAME_ALL = 12  # networks up to which each bears its name; of more, the extremes alone
ARITHMETIC = "multiply-adds per image (G; of adder layers: pairs of additions)"


@dataclass(frozen=True)
class Point:
    family: str
    label: str
    x: float
    y: float


def speed_against_arithmetic(rows: Sequence[Row]) -> Figure:
    """Images a second of each network at its best batch size, without the rows of errors; one must have succeeded."""
    best: dict[str, Row] = {}
    for row in rows:
        if not row["error"]:
            best[name_of(row)] = max(best.get(name_of(row), row), row, key=lambda each: each["images_per_second"])
    points = [Point(row["model_prefix"], name, _giga(row), row["images_per_second"]) for name, row in best.items()]
    first = next(iter(best.values()))
    told = f"{first['device']}, {first['dtype']}, {first['memory_format']}, {first['threads']} threads"
    sizes = sorted({row["batch_size"] for row in best.values()})
    batches = f"batch size {sizes[0]}" if len(sizes) == 1 else f"best batch size of each, {sizes[0]}..{sizes[-1]}"
    return _scatter(points, f"{_sizes(best)}; {batches}\n{told}", ARITHMETIC, "images per second")


def arithmetic_against_parameters(rows: Sequence[Row]) -> Figure:
    """Multiply-adds of each network, without the rows of errors; one must have succeeded."""
    counted = {name_of(row): row for row in rows if not row["error"]}
    points = [Point(row["model_prefix"], name, row["parameters"] / 1e6, _giga(row)) for name, row in counted.items()]
    return _scatter(points, _sizes(counted), "parameters (M)", ARITHMETIC)


def _giga(row: Row) -> float:
    return (row["multiply_adds"] + row["additions"] / 2) / 1e9


def _sizes(rows: dict[str, Row]) -> str:
    sizes = {size_of(row) for row in rows.values()}
    images = f"images of {next(iter(sizes))}" if len(sizes) == 1 else "images of each network's own size"
    return f"{len(rows)} networks, {images}"


def _scatter(points: Sequence[Point], title: str, xlabel: str, ylabel: str) -> Figure:
    families = list(dict.fromkeys(point.family for point in points))
    figure, axes = one_panel(11, 7)
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10)
    for family, colour, marker in zip(families, cycle(COLOURS), cycle(MARKERS)):
        own = sorted((point.x, point.y) for point in points if point.family == family)
        axes.plot(*zip(*own), color=colour, marker=marker, linewidth=0.8, markersize=6, label=family)
    axes.margins(0.1)
    axes.grid(which="major", alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _name(axes, points if len(points) <= NAME_ALL else extremes(points))
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def extremes(points: Sequence[Point]) -> list[Point]:
    """The least and the most along both axes, and farthest above and below the line that fits all best."""
    x, y = np.log([point.x for point in points]), np.log([point.y for point in points])
    slope, offset = np.polyfit(x, y, 1)
    chosen = {order[end] for order in map(np.argsort, (x, y, y - slope * x - offset)) for end in (0, 1, -2, -1)}
    return [points[i] for i in sorted(chosen)]


def _name(axes: Axes, points: Sequence[Point]) -> None:
    """Beside the point, on the side where the picture has room."""
    outline = [patheffects.withStroke(linewidth=3, foreground="white")]
    for point in points:
        left = axes.transAxes.inverted().transform(axes.transData.transform((point.x, point.y)))[0] > 0.8
        axes.annotate(
            point.label,
            (point.x, point.y),
            xytext=(-7 if left else 7, 3),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=8,
            path_effects=outline,
        )
