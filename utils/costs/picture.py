"""What networks cost against each other: a point a network, a colour and a marker a family."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from ..report.canvas import one_panel
from .table import Row, name_of, size_of

# Paul Tol's muted scheme: with three markers in turn, more families than there are keep apart
COLOURS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#222222")
MARKERS = ("o", "s", "^")
BESIDE = [(h, v) for v in ("center", "bottom", "top") for h in ("left", "right")]
SIDES = (*BESIDE, ("center", "bottom"), ("center", "top"))  # alignments of a name, in the order of preference
NAME_ALL = 12  # networks up to which each bears its name; of more, the extremes alone


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
    setting = f"{first['device']}, {first['dtype']}, {first['memory_format']}, threads {first['threads']}"
    sizes = sorted({row["batch_size"] for row in best.values()})
    batches = f"batch size {sizes[0]}" if len(sizes) == 1 else f"best batch size of each, {sizes[0]}..{sizes[-1]}"
    return _scatter(points, f"{_sizes(best)}; {batches}\n{setting}", _arithmetic(best), "images per second")


def arithmetic_against_parameters(rows: Sequence[Row]) -> Figure:
    """Multiply-adds of each network, without the rows of errors; one must have succeeded."""
    counted = {name_of(row): row for row in rows if not row["error"]}
    points = [Point(row["model_prefix"], name, row["parameters"] / 1e6, _giga(row)) for name, row in counted.items()]
    return _scatter(points, _sizes(counted), "parameters (M)", _arithmetic(counted))


def _arithmetic(rows: dict[str, Row]) -> str:
    adders = any(row["additions"] for row in rows.values())
    return f"multiply-adds per image (G{'; of adder layers, pairs of additions' if adders else ''})"


def _giga(row: Row) -> float:
    return (row["multiply_adds"] + row["additions"] / 2) / 1e9


def _sizes(rows: dict[str, Row]) -> str:
    sizes = {size_of(row) for row in rows.values()}
    images = f"images of {next(iter(sizes))}" if len(sizes) == 1 else "images of each network's own size"
    return f"{len(rows)} network{'s' if len(rows) > 1 else ''}, {images}"


def _scatter(points: Sequence[Point], title: str, xlabel: str, ylabel: str) -> Figure:
    families = list(dict.fromkeys(point.family for point in points))
    figure, axes = one_panel(11, 7)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10)
    for family, colour, marker in zip(families, cycle(COLOURS), cycle(MARKERS)):
        own = [(point.x, point.y) for point in points if point.family == family]
        axes.plot(*zip(*own), color=colour, marker=marker, linestyle="none", markersize=7, label=family)
    axes.set(xscale="log", yscale="log")
    axes.set(xlim=_limits([point.x for point in points]), ylim=_limits([point.y for point in points]))
    axes.grid(alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=30))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    if len(families) > 1:
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    _name(figure, axes, points, points if len(points) <= NAME_ALL else extremes(points))
    return figure


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Of a logarithmic axis: room around the values, and a factor of 6 at least, so that there are numbers on it."""
    room = max(1.4, (6 * min(values) / max(values)) ** 0.5)
    return min(values) / room, max(values) * room


def extremes(points: Sequence[Point]) -> list[Point]:
    """The least and the most along both axes, and the two farthest above and below the line that fits all best."""
    x = np.log([point.x for point in points])
    y = np.log([point.y for point in points])
    slope, offset = np.polyfit(x, y, 1)
    away = np.argsort(y - slope * x - offset)
    chosen = {x.argmin(), x.argmax(), y.argmin(), y.argmax(), *away[:2], *away[-2:]}
    return [points[i] for i in sorted(chosen)]


def _name(figure: Figure, axes: Axes, points: Sequence[Point], named: Sequence[Point]) -> None:
    """Beside each of the named points, where other names and the picture's edge are not and points the fewest."""
    figure.draw_without_rendering()  # places are known from now on
    places = axes.transData.transform([(point.x, point.y) for point in points])
    taken: list[Bbox] = []
    for point in named:
        tried = [_label(axes, point, side) for side in SIDES]
        boxes = [text.get_window_extent().padded(2) for text in tried]
        best = min(range(len(SIDES)), key=lambda i: _crowding(boxes[i], places, taken, axes.bbox))
        taken.append(boxes[best])
        for text in (*tried[:best], *tried[best + 1 :]):
            text.remove()


def _label(axes: Axes, point: Point, side: tuple[str, str]) -> Annotation:
    """side: horizontal and vertical alignment, which say where the point is from the text."""
    offset = ({"left": 7, "center": 0, "right": -7}[side[0]], {"bottom": 5, "center": 0, "top": -5}[side[1]])
    return axes.annotate(
        point.label,
        (point.x, point.y),
        offset,
        textcoords="offset points",
        ha=side[0],
        va=side[1],
        fontsize=8,
        path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
    )


def _crowding(box: Bbox, places: np.ndarray, taken: Sequence[Bbox], panel: Bbox) -> float:
    """How little a place suits a name: overlaps with other names and the edge weigh more than points beneath it."""
    outside = not (panel.containsx(box.x0) and panel.containsx(box.x1))
    return 100 * (sum(box.overlaps(other) for other in taken) + outside) + box.count_contains(places)
