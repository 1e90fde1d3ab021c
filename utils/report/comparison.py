"""Several runs in one picture: their curves over each other, and in words what sets them apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from ..errors import DataError
from . import run_tables
from .canvas import canvas, curve, finish_curves
from .fonts import families, plain
from .saved_run import describe_runs

# Paul Tol's bright scheme, then dark ones: distinct to the colour-blind too
DISTINCT = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#222222")
WIDE = 20.0  # largest loss over the smallest beyond which the axis is logarithmic
Style = Literal["-", "--", ":"]
PANELS: tuple[
    tuple[str, tuple[tuple[str, str, Style], ...]], ...
] = (  # title, then (column, its name, line style) of each curve
    ("Loss", (("train_loss", "train", ":"), ("val_loss", "val", "-"), ("ema_val_loss", "val, averaged weights", "--"))),
    ("Validation accuracy", (("accuracy", "raw weights", "-"), ("ema_accuracy", "averaged weights", "--"))),
    ("Validation F1 (macro)", (("f1", "raw weights", "-"), ("ema_f1", "averaged weights", "--"))),
)


def compare(folders: Sequence[Path]) -> Figure:
    """Loss, accuracy and F1 of all runs; a run without an epoch so far is in the legend alone.

    Raises DataError if none has one.
    """
    results = [run_tables.read_results(folder) for folder in folders]
    if not any(results):
        raise DataError(f"none of these runs has finished an epoch: {', '.join(map(str, folders))}")
    colours = _colours(len(folders))
    labels = [plain(text) for text in describe_runs(folders)]
    figure = canvas(15, 5 + 0.25 * len(folders))
    for (title, kinds), axes in zip(PANELS, figure.subplots(1, 3)):
        for run, colour in zip(results, colours):
            _draw_run(axes, run, kinds, colour)
        finish_curves(axes, title)
        shown = [kind for kind in kinds if any(kind[0] in run for run in results)]
        axes.legend(handles=[Line2D([], [], color="#555555", linestyle=style, label=name) for _, name, style in shown])
        if title != "Loss":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        elif _is_wide(results):
            axes.set(yscale="log", title="Loss (logarithmic)")
    texts = [label if run else f"{label} (no epoch finished yet)" for label, run in zip(labels, results)]
    handles = [Line2D([], [], color=colour, linewidth=3, label=text) for text, colour in zip(texts, colours)]
    figure.legend(handles=handles, loc="outside lower left", frameon=False, prop={"family": families(labels)})
    return figure


def _draw_run(axes: Axes, run: dict[str, np.ndarray], kinds: tuple, colour: str) -> None:
    for column, _, style in kinds:
        if column in run:
            curve(axes, run["epoch"], run[column], column, colour, style)


def _is_wide(results: Sequence[dict[str, np.ndarray]]) -> bool:
    losses = np.concatenate([run[name] for run in results for name, *_ in PANELS[0][1] if name in run])
    losses = losses[np.isfinite(losses) & (losses > 0)]
    return len(losses) > 0 and losses.max() > WIDE * losses.min()


def _colours(count: int) -> list:
    """As many colours, distinct while that is possible."""
    if count <= len(DISTINCT):
        return list(DISTINCT[:count])
    return list(colormaps["turbo"](np.linspace(0.05, 0.95, count)))
