"""Several runs in one picture: their curves over each other, and a table of how good each is and what sets it apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from ..errors import DataError
from .canvas import canvas, curve, finish_curves
from .compared_runs import Run, ranked
from .comparison_table import LINE, draw_table

DISTINCT = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#222222")  # of the best runs; to the colour-blind too
GREY = "#bbbbbb"  # of the runs beyond as many as there are colours
COLUMNS = {"val_loss": "Validation loss", "accuracy": "Validation accuracy", "f1": "Validation F1 (macro)"}
FEW = 3  # runs up to which the losses of training are drawn too
WIDE = 20.0  # largest loss over the smallest beyond which the axis is logarithmic
ACROSS = "-."  # line style of a run that was only validated
PANEL = 5.0  # inches of height
ROOM = 0.03  # of the epochs, beside the curves
LETTER = 10.0  # points from one number to the next above it


def compare(folders: Sequence[Path]) -> Figure:
    """Loss, accuracy and F1 of all runs, the best run first; one without an epoch so far is in the table alone.

    Raises DataError if none has one.
    """
    runs = ranked(folders)
    if not any(run.results for run in runs):
        raise DataError(f"none of these runs has finished an epoch: {', '.join(map(str, folders))}")
    height = PANEL + LINE * (len(runs) + 2)
    figure = canvas(15, height)
    above, below = figure.subfigures(2, 1, height_ratios=(PANEL, height - PANEL), squeeze=False)[:, 0]
    colours = [*DISTINCT, *[GREY] * len(runs)][: len(runs)]
    panels = above.subplots(1, len(COLUMNS))
    for (column, title), axes in zip(COLUMNS.items(), panels):
        _draw_panel(axes, runs, colours, column)
        finish_curves(axes, title)
        if column != "val_loss":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        elif _is_wide(runs):
            axes.set(yscale="log", title=f"{title} (logarithmic)")
        if not any(run.trained for run in runs):
            axes.set(xticks=(), xlabel="no run has been trained")
    styles = [ACROSS if run.best and not run.trained else "-" for run in runs]
    draw_table(below, [run.cells() for run in runs], colours, styles)
    figure.draw_without_rendering()  # places are known from now on
    for column, axes in zip(COLUMNS, panels):
        _number_ends(axes, runs, colours, column)
    return figure


def _draw_panel(axes: Axes, runs: Sequence[Run], colours: Sequence[str], column: str) -> None:
    """The best run on top; a run that was only validated is a line across."""
    last = max((run.results["epoch"][-1] for run in runs if run.trained), default=1.0)
    axes.set_xlim(1 - ROOM * last, last + 2 * ROOM * last)
    few = sum(run.trained for run in runs) <= FEW
    for place, (run, colour) in enumerate(zip(runs, colours)):
        look: dict[str, Any] = {"zorder": 3 - place / len(runs), "linewidth": 0.8 if colour == GREY else 1.6}
        if run.trained:
            curve(axes, run.results["epoch"], run.column(column), column, colour, **look)
            if colour != GREY and run.best is not None:
                best = run.results["epoch"][run.best[0]]
                axes.plot(best, run.figure_of_best(column), "o", color=colour, markersize=9, fillstyle="none")
            if few and column == "val_loss":
                curve(axes, run.results["epoch"], run.results["train_loss"], "train_loss", colour, ":")
        elif run.best is not None:
            axes.axhline(run.figure_of_best(column), color=colour, linestyle=ACROSS, **look)
    if few and column == "val_loss":
        kinds = [Line2D([], [], color="#555555", label="validation")]
        kinds.append(Line2D([], [], color="#555555", label="training", linestyle=":"))
        axes.legend(handles=kinds)


def _number_ends(axes: Axes, runs: Sequence[Run], colours: Sequence[str], column: str) -> None:
    """The number of each run that has a colour, at the end of its curve; numbers beside each other make room."""
    ends: dict[float, list[tuple[float, int]]] = {}
    for number, (run, colour) in enumerate(zip(runs, colours)):
        if run.results and colour != GREY:
            x = run.results["epoch"][-1] if run.trained else axes.get_xlim()[1]
            y = run.column(column)[-1]
            if np.isfinite(y):
                ends.setdefault(x, []).append((y, number))
    for x, group in ends.items():
        group.sort()
        heights = axes.transData.transform([(x, y) for y, _ in group])[:, 1] * 72 / axes.figure.dpi
        for (y, number), height, place in zip(group, heights, _spread(heights)):
            style: dict[str, Any] = {"color": colours[number], "fontsize": 9, "weight": "bold", "va": "center"}
            axes.annotate(str(number + 1), (x, y), (7, place - height), textcoords="offset points", **style)


def _spread(heights: np.ndarray) -> np.ndarray:
    """Rising places, in points, moved apart as far as numbers need."""
    places = heights.copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + LETTER)
    return places - (places - heights).mean()


def _is_wide(runs: Sequence[Run]) -> bool:
    losses = np.concatenate([run.column("val_loss") for run in runs if run.results])
    losses = losses[np.isfinite(losses) & (losses > 0)]
    return len(losses) > 0 and losses.max() > WIDE * losses.min()
