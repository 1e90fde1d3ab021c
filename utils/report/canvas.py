"""What the pictures share: canvases, curves, axes with class names on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from ..files import atomic_file

DPI = 120
PAD = 0.1  # inches around each panel; less, and labels of a matrix that must stay square are cut at the edge
FEW = 30  # classes up to which every bar and cell has room for text
MOST_LABELS = 200  # names along one axis; beyond, one of several is shown
PITCH = 0.13  # inches from one small label to the next
COLOURS = {
    "train": "#4477aa",
    "val": "#ee6677",
    "precision": "#4477aa",
    "recall": "#ee6677",
    "F1": "#228833",
    "accuracy": "#222222",
}


def canvas(width: float, height: float, *, arranged: bool = True) -> Figure:
    """An empty figure of so many inches; arranged: whether matplotlib finds room for labels and legends."""
    layout = ConstrainedLayoutEngine(w_pad=PAD, h_pad=PAD) if arranged else None
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def one_panel(width: float, height: float) -> tuple[Figure, Axes]:
    figure = canvas(width, height)
    return figure, figure.subplots()


def save(figure: Figure, path: Path) -> None:
    """As a whole or not at all: a full disk leaves the previous picture."""
    with atomic_file(path) as file:
        figure.savefig(file, format=path.suffix[1:], pil_kwargs={"quality": 92})


def text_width(text: str, size: float, fonts: list[str]) -> float:
    """Inches that the widest line takes, in so many points."""
    figure = canvas(1, 1, arranged=False)
    return figure.text(0, 0, text, fontsize=size, family=fonts).get_window_extent().width / DPI


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, colour: str, style: str = "-", **look: Any) -> None:
    axes.plot(x, y, style, color=colour, label=label, marker="o" if len(x) <= 40 else None, markersize=3, **look)


def finish_curves(axes: Axes, title: str, ylabel: str | None = None) -> None:
    axes.set(xlabel="epoch", title=title, ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)


def extent(classes: int, *, least: float, each: float) -> float:
    """Inches along which so many classes are laid out: `each` while they are few, then what small labels need."""
    if classes <= FEW:
        return max(least, each * classes)
    return max(least, each * FEW, PITCH * min(classes, MOST_LABELS))


def label_size(classes: int) -> int:
    """Points of the names of so many classes along an axis."""
    return 8 if classes <= 2 * FEW else 6


def name_axis(axis: XAxis | YAxis, labels: Sequence[str], fonts: list[str]) -> None:
    """Class names along an axis, thinned evenly where there are too many to read."""
    step = -(-len(labels) // MOST_LABELS)
    places = list(range(0, len(labels), step))
    turned = axis.axis_name == "x" and (len(labels) > 12 or max(map(len, labels)) > 6)
    size = label_size(len(labels))
    axis.set_ticks(places, [labels[i] for i in places], fontsize=size, family=fonts, rotation=90 if turned else 0)
