"""One run over time: losses, scores, learning rate. Each function gives None where the run has nothing of the kind."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..training.schedulers import learning_rate
from . import run_tables
from .best_of_run import row_of_best
from .canvas import COLOURS, canvas, curve, finish_curves, one_panel
from .saved_run import read_config, read_steps_per_epoch

Results = dict[str, np.ndarray]  # column -> (epochs,) floats
MOST_POINTS = 10_000  # of the learning rate: more than there are pixels


def losses(folder: Path) -> Figure | None:
    """train_val_loss.jpg"""
    results = run_tables.read_results(folder)
    if "train_loss" not in results:  # no epoch yet, or a checkpoint that was only validated
        return None
    figure, axes = one_panel(8, 5)
    curve(axes, results["epoch"], results["train_loss"], "train", COLOURS["train"])
    curve(axes, results["epoch"], results["val_loss"], "val", COLOURS["val"])
    if "ema_val_loss" in results:
        curve(axes, results["epoch"], results["ema_val_loss"], "val, averaged weights", COLOURS["val"], "--")
    finish_curves(axes, "Loss (cross-entropy, mean per image)", "loss")
    axes.legend()
    return figure


def scores(folder: Path) -> Figure | None:
    """Acc_P_R_F1.jpg"""
    results = run_tables.read_results(folder)
    if "train_loss" not in results:
        return None
    figure = canvas(8, 6.4)
    best = row_of_best(folder, results, read_config(folder).monitor)
    panels = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for (name, title), axes in zip(SCORES.items(), panels):
        _score(axes, results, name, title, best)
    handles, _ = figure.axes[0].get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(f"Validation{'' if best is None else _in_words(results, *best)}")
    return figure


SCORES = {
    "accuracy": "accuracy",
    "precision": "precision (macro)",
    "recall": "recall (macro)",
    "F1": "F1 (macro)",
}


def _score(axes: Axes, results: Results, name: str, title: str, best: tuple[int, str] | None) -> None:
    """One score over the epochs, and its value in the best of them."""
    column, colour = name.lower(), COLOURS[name]
    for prefix, weights, style in (("", "raw weights", "-"), ("ema_", "averaged weights", "--")):
        if prefix + column in results:
            curve(axes, results["epoch"], results[prefix + column], weights, colour, style)
    finish_curves(axes, "")
    axes.set_title(title, loc="left", fontsize=10)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.label_outer()
    if best is not None and best[1] + column in results:
        row, prefix = best
        value = results[prefix + column][row]
        axes.plot(results["epoch"][row], value, "o", color=colour, markersize=9, fillstyle="none", markeredgewidth=1.5)
        axes.set_title(f"{value:.2%}", loc="right", fontsize=10)


def _in_words(results: Results, row: int, prefix: str) -> str:
    averaged = " (averaged weights)" if prefix else " (raw weights)" if "ema_accuracy" in results else ""
    return f": the best epoch, {results['epoch'][row]:.0f} of {results['epoch'][-1]:.0f}{averaged}, is marked"


def schedule(folder: Path) -> Figure | None:
    """scheduler.jpg: the learning rate of the optimizer steps, from the run's config."""
    steps_per_epoch = read_steps_per_epoch(folder)
    if not steps_per_epoch:
        return None
    config = read_config(folder)
    total = config.epochs * steps_per_epoch
    steps = range(0, total, -(-total // MOST_POINTS))
    rates = [learning_rate(config, step, steps_per_epoch) for step in steps]
    figure, axes = one_panel(8, 5)
    axes.plot([step / steps_per_epoch for step in steps], rates, color=COLOURS["train"])
    axes.set(xlabel="epochs done", ylabel="learning rate", title="Learning rate over the run", ylim=(0, None))
    axes.grid(alpha=0.3)
    return figure
