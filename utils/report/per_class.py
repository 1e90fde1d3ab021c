"""Class by class: number of images, precision, recall and F1, and which classes are confused.

Each function gives None where the run has nothing of the kind yet.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..text import natural_order
from . import run_tables
from .canvas import COLOURS, FEW, MOST_LABELS, canvas, extent, label_size, name_axis, one_panel, text_width
from .fonts import class_labels

LISTED = 25  # most confused pairs named beside the matrix of many classes
PAIRS_SIZE = 11  # points of that list
COLOUR_BAR = 1.6  # inches beside a matrix, with its numbers
GRID = 10  # classes between two guide lines in a matrix of many


def distribution(folder: Path) -> Figure | None:
    """data_distribution.jpg: images of each class in train and val, or in val alone where nothing was trained."""
    if not (folder / run_tables.COUNTS).exists():
        return None
    names, counts = run_tables.read_counts(folder)
    labels, fonts, order = _arranged(names)
    counts = counts[order]
    splits = [split for split in enumerate(("train", "val")) if counts[:, split[0]].any()]
    width = 0.8 / max(1, len(splits))
    figure, axes = one_panel(extent(len(names), least=8, each=0.4), 5)
    for place, (column, split) in enumerate(splits):
        offset = (place - (len(splits) - 1) / 2) * width
        bars = axes.bar(np.arange(len(names)) + offset, counts[:, column], width, color=("#4477aa", "#ccbb44")[column])
        bars.set_label(f"{split}: {counts[:, column].sum()} images")
        if len(names) <= FEW:
            axes.bar_label(bars, fontsize=7, rotation=90 if len(names) > 12 else 0, padding=2)
    name_axis(axes.xaxis, labels, fonts)
    axes.set(ylabel="images", xlim=(-0.7, len(names) - 0.3))
    axes.set_title(f"Images of each class ({len(names)} classes)", pad=24)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(axes)
    return figure


def figures_per_class(folder: Path) -> Figure | None:
    """P_R_F1_per_class.jpg: grouped bars, or a panel for each figure where there are many classes."""
    if not (folder / run_tables.PER_CLASS).exists():
        return None
    names, figures, support = run_tables.read_per_class(folder)
    labels, fonts, order = _arranged(names)
    figures, support = figures[order], support[order]
    figure = _grouped(figures) if len(names) <= FEW else _stacked(figures)
    for axes in figure.axes:
        axes.set(ylim=(0, 1.02), xlim=(-0.7, len(names) - 0.3))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    counted = [f"{label} ({images})" for label, images in zip(labels, support)]  # two images say less than seventeen
    name_axis(figure.axes[-1].xaxis, counted, fonts)
    figure.suptitle(f"Precision, recall and F1 of each class (its number of the {support.sum()} validation images)")
    return figure


KINDS = ("precision", "recall", "F1")


def _grouped(figures: np.ndarray) -> Figure:
    """(K, 3) figures as three bars a class."""
    figure, axes = one_panel(extent(len(figures), least=8, each=0.4), 5)
    for i, kind in enumerate(KINDS):
        axes.bar(np.arange(len(figures)) + (i - 1) * 0.27, figures[:, i], 0.27, color=COLOURS[kind], label=kind)
    _legend_above(axes)
    return figure


def _stacked(figures: np.ndarray) -> Figure:
    """(K, 3) figures as a panel for each of the three."""
    figure = canvas(extent(len(figures), least=8, each=0.4), 9)
    for i, (kind, axes) in enumerate(zip(KINDS, figure.subplots(3, 1, sharex=True))):
        axes.bar(np.arange(len(figures)), figures[:, i], 0.8, color=COLOURS[kind])
        axes.set_title(kind, loc="left", fontsize=10)
    return figure


def confusion(folder: Path) -> Figure | None:
    """confusion_matrix.jpg: colour is the share of a true class; mistakes are red, so that a few show among many.

    Few classes: counts in the cells. Many: the most confused pairs in words beside the matrix.
    """
    if not (folder / run_tables.CONFUSION).exists():
        return None
    names, counts = run_tables.read_confusion(folder)
    labels, fonts, order = _arranged(names)
    counts = counts[np.ix_(order, order)]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    if len(names) <= FEW:
        side = max(5.0, min(12.0, 2.5 + 0.42 * len(names)))
        figure, axes = one_panel(side + 1, side)
        _write_counts(axes, counts, shares)
    else:
        figure, axes = _beside_pairs(counts, labels, fonts)
        _guide(axes, len(names))
    _draw_shares(figure, axes, shares)
    name_axis(axes.xaxis, labels, fonts)
    name_axis(axes.yaxis, labels, fonts)
    right = np.trace(counts) / max(1, counts.sum())
    title = f"Confusion matrix: {np.trace(counts)} of {counts.sum()} right ({right:.2%})"
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    return figure


def _beside_pairs(counts: np.ndarray, labels: Sequence[str], fonts: list[str]) -> tuple[Figure, Axes]:
    """A picture as wide as the matrix, its names and the list of the commonest mistakes need, and a panel for it."""
    text = _pairs_in_words(run_tables.confused_pairs(counts, LISTED), labels)
    names = text_width("\n".join(labels), label_size(len(labels)), fonts)
    column = text_width(text, PAIRS_SIZE, fonts)
    side = extent(len(labels), least=12, each=0.3)
    whole = names + side + COLOUR_BAR
    figure = canvas(whole + column, side + names + 1.15)
    axes, beside = figure.subplots(1, 2, width_ratios=(whole, column))
    beside.axis("off")
    beside.text(0, 1, text, va="top", fontsize=PAIRS_SIZE, family=fonts, linespacing=1.5)
    return figure, axes


def _draw_shares(figure: Figure, axes: Axes, shares: np.ndarray) -> None:
    """(K, K) shares: the diagonal in blue, mistakes in red; the root of a share, as a few per cent should show."""
    diagonal = np.eye(len(shares), dtype=bool)
    norm = PowerNorm(0.5, 0, 1)
    right = np.ma.masked_array(shares, ~diagonal)
    wrong = np.ma.masked_array(shares, diagonal | (shares == 0))
    axes.imshow(right, cmap="Blues", norm=norm, interpolation="nearest")
    image = axes.imshow(wrong, cmap="Reds", norm=norm, interpolation="nearest")
    label = "share of the true class (red: mistakes)"
    figure.colorbar(image, ax=axes, format=PercentFormatter(1), shrink=0.8, pad=0.02, aspect=40, label=label)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.35 else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)


def _guide(axes: Axes, classes: int) -> None:
    """Faint lines that lead the eye from a cell to its names."""
    step = GRID * -(-classes // MOST_LABELS)
    for place in np.arange(step, classes, step) - 0.5:
        axes.axhline(place, color="#999999", linewidth=0.4)
        axes.axvline(place, color="#999999", linewidth=0.4)


def _pairs_in_words(pairs: list, labels: Sequence[str]) -> str:
    lines = [f"{labels[i]} taken for {labels[j]}: {count} ({share:.0%})" for i, j, count, share in pairs]
    return "\n".join(["Most confused", "(share of the true class)", "", *lines] if lines else ["No mistakes"])


def _arranged(names: Sequence[str]) -> tuple[list[str], list[str], list[int]]:
    """(labels in the order of the picture, font families, place in `names` of each)."""
    labels, fonts = class_labels(names)
    order = natural_order(names)
    return [labels[place] for place in order], fonts, order


def _legend_above(axes: Axes) -> None:
    """Between title and bars, where it hides neither."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2)
