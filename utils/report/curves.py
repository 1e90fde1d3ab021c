"""One run over time: losses, scores, learning rate. Each function gives None where the run has nothing of the kind."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..training.schedulers import learning_rate
from . import run_tables
from .canvas import COLOURS, curve, finish_curves, one_panel
from .saved_run import read_config, read_steps_per_epoch

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
    figure, axes = one_panel(8, 5)
    for name in ("accuracy", "precision", "recall", "F1"):
        curve(axes, results["epoch"], results[name.lower()], name, COLOURS[name])
    if "ema_accuracy" in results:
        curve(axes, results["epoch"], results["ema_accuracy"], "accuracy, averaged weights", COLOURS["accuracy"], "--")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    finish_curves(axes, "Validation: accuracy, macro precision, recall and F1")
    axes.legend()
    return figure


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
