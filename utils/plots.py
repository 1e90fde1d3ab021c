"""The pictures of a run folder, each drawn from the run's files. Nothing here touches pyplot or its global state."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from . import tables
from .fonts import class_labels
from .images import read_image
from .predictions import Prediction

FEW = 30  # classes up to which every bar and cell has room for text
MOST_LABELS = 50  # names along one axis
COLOURS = {"precision": "#4477aa", "recall": "#ee6677", "F1": "#228833", "accuracy": "#222222"}


def draw_run(folder: Path) -> None:
    """All pictures that the files of the folder allow, but for the schedule."""
    if (folder / tables.COUNTS).exists():
        draw_distribution(folder)
    if "train_loss" in tables.read_results(folder):  # not where a checkpoint was only validated
        draw_losses(folder)
        draw_scores(folder)
    if (folder / tables.PER_CLASS).exists():
        draw_per_class(folder)
        draw_confusion(folder)


def draw_losses(folder: Path) -> None:
    """train_val_loss.jpg"""
    results = tables.read_results(folder)
    figure, axes = _figure(8, 5)
    _curve(axes, results["epoch"], results["train_loss"], "train", "#4477aa")
    _curve(axes, results["epoch"], results["val_loss"], "val", "#ee6677")
    if "ema_val_loss" in results:
        _curve(axes, results["epoch"], results["ema_val_loss"], "val, averaged weights", "#ee6677", "--")
    _finish_curves(axes, "Loss (cross-entropy, mean per image)", "loss")
    _save(figure, folder / "train_val_loss.jpg")


def draw_scores(folder: Path) -> None:
    """Acc_P_R_F1.jpg"""
    results = tables.read_results(folder)
    figure, axes = _figure(8, 5)
    for name, column in (("accuracy", "accuracy"), ("precision", "precision"), ("recall", "recall"), ("F1", "f1")):
        _curve(axes, results["epoch"], results[column], name, COLOURS[name])
    if "ema_accuracy" in results:
        _curve(axes, results["epoch"], results["ema_accuracy"], "accuracy, averaged weights", COLOURS["accuracy"], "--")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _finish_curves(axes, "Validation: accuracy, macro precision, recall and F1", None)
    _save(figure, folder / "Acc_P_R_F1.jpg")


def draw_schedule(folder: Path, rates: Sequence[float], steps_per_epoch: int) -> None:
    """scheduler.jpg from the learning rate of every optimizer step."""
    figure, axes = _figure(8, 5)
    axes.plot(np.arange(len(rates)) / steps_per_epoch, rates, color="#4477aa")
    axes.set(xlabel="epochs done", ylabel="learning rate", title="Learning rate over the run", ylim=(0, None))
    axes.grid(alpha=0.3)
    _save(figure, folder / "scheduler.jpg")


def draw_distribution(folder: Path) -> None:
    """data_distribution.jpg: images of each class in train and val."""
    names, counts = tables.read_counts(folder)
    labels, fonts = class_labels(names)
    figure, axes = _figure(_breadth(len(names)), 5)
    places = np.arange(len(names))
    for i, (split, colour) in enumerate((("train", "#4477aa"), ("val", "#ccbb44"))):
        bars = axes.bar(places + (i - 0.5) * 0.4, counts[:, i], 0.4, color=colour)
        bars.set_label(f"{split}: {counts[:, i].sum()} images")
        if len(names) <= FEW:
            axes.bar_label(bars, fontsize=7, rotation=90 if len(names) > 12 else 0, padding=2)
    _name_axis(axes.xaxis, labels, fonts)
    axes.set(ylabel="images", xlim=(-0.7, len(names) - 0.3))
    axes.set_title(f"Images of each class ({len(names)} classes)", pad=24)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(axes)
    _save(figure, folder / "data_distribution.jpg")


def draw_per_class(folder: Path) -> None:
    """P_R_F1_per_class.jpg: grouped bars, or a panel for each figure where there are many classes."""
    names, figures, support = tables.read_per_class(folder)
    labels, fonts = class_labels(names)
    kinds = ("precision", "recall", "F1")
    if len(names) <= FEW:
        figure, axes = _figure(_breadth(len(names)), 5)
        for i, kind in enumerate(kinds):
            axes.bar(np.arange(len(names)) + (i - 1) * 0.27, figures[:, i], 0.27, color=COLOURS[kind], label=kind)
        panels = [axes]
        _legend_above(axes)
    else:
        figure = _canvas(_breadth(len(names)), 9)
        panels = list(figure.subplots(3, 1, sharex=True))
        for i, (kind, axes) in enumerate(zip(kinds, panels)):
            axes.bar(np.arange(len(names)), figures[:, i], 0.8, color=COLOURS[kind])
            axes.set_title(kind, loc="left", fontsize=10)
    for axes in panels:
        axes.set(ylim=(0, 1.02), xlim=(-0.7, len(names) - 0.3))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    _name_axis(panels[-1].xaxis, labels, fonts)
    figure.suptitle(f"Precision, recall and F1 of each class ({support.sum()} validation images)")
    _save(figure, folder / "P_R_F1_per_class.jpg")


def draw_confusion(folder: Path) -> None:
    """confusion_matrix.jpg: colour is the share of a true class; counts in the cells where there is room."""
    names, counts = tables.read_confusion(folder)
    labels, fonts = class_labels(names)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    side = min(12.0, max(5.0, 2.5 + 0.42 * len(names)))
    figure, axes = _figure(side + 1, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, format=PercentFormatter(1), shrink=0.8, label="share of the true class")
    if len(names) <= FEW:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)
    _name_axis(axes.xaxis, labels, fonts)
    _name_axis(axes.yaxis, labels, fonts)
    right = np.trace(counts) / max(1, counts.sum())
    title = f"Confusion matrix: {np.trace(counts)} of {counts.sum()} right ({right:.2%})"
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    _save(figure, folder / "confusion_matrix.jpg")


def draw_prediction(path: Path, prediction: Prediction) -> None:
    """The picture beside a bar for each class that came to mind."""
    names, probabilities = zip(*prediction.ranked)
    labels, fonts = class_labels(names)
    figure = _canvas(9, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    left.imshow(read_image(prediction.path))
    left.axis("off")
    bars = right.barh(range(len(labels)), probabilities, color="#4477aa")
    right.bar_label(bars, [f"{p:.1%}" for p in probabilities], padding=3)
    right.set(xlim=(0, 1.15), title="probability")
    right.set_yticks(range(len(labels)), labels, family=fonts)
    right.invert_yaxis()
    right.xaxis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def _canvas(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _canvas(width, height)
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, pil_kwargs={"quality": 92})


def _breadth(classes: int) -> float:
    """Inches for bars of so many classes."""
    return max(8.0, 0.4 * classes) if classes <= FEW else 15.0


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, colour: str, style: str = "-") -> None:
    axes.plot(x, y, style, color=colour, label=label, marker="o" if len(x) <= 40 else None, markersize=3)


def _finish_curves(axes: Axes, title: str, ylabel: str | None) -> None:
    axes.set(xlabel="epoch", title=title, ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def _legend_above(axes: Axes) -> None:
    """Between title and bars, where it hides neither."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2)


def _name_axis(axis: object, labels: list[str], fonts: list[str]) -> None:
    """Class names along an axis, thinned evenly where there are too many to read."""
    step = -(-len(labels) // MOST_LABELS)
    places = list(range(0, len(labels), step))
    turned = axis.axis_name == "x" and (len(labels) > 12 or max(map(len, labels)) > 6)
    axis.set_ticks(places, [labels[i] for i in places], fontsize=8, family=fonts, rotation=90 if turned else 0)
