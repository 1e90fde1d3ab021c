"""How well the probabilities of best.pth separate the classes, and whether they mean what they say.

Of test where the run has looked at it, else of val. Each function gives None where the run has no such tables.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..figures.confidence import risk_by_coverage
from .answer_tables import RELIABILITY, ROC, Points, read_curves, read_reliability
from .canvas import COLOURS, canvas
from .fonts import class_labels
from .saved_answers import PREDICTIONS, read_answers
from .saved_run import read_config

NAMED = 10  # classes whose curves bear a name: those with the smallest area
GREY = "#bbbbbb"


def curves(folder: Path) -> Figure | None:
    """curves.jpg: ROC and precision over recall of each class against the others; those of least area have names."""
    prefix, split = _shown(folder, ROC)
    if not split:
        return None
    roc, pr = read_curves(folder, prefix)
    if not roc:
        return None
    roc = {name: (np.concatenate(([0], x, [1])), np.concatenate(([0], y, [1]))) for name, (x, y) in roc.items()}
    names = _hardest(roc)
    labels, fonts = class_labels(names)
    named = dict(zip(names, labels))
    figure = canvas(12, 5.2)
    left, right = figure.subplots(1, 2)
    _lines(left, roc, named)
    _lines(right, pr, named)
    left.plot([0, 1], [0, 1], ":", color=GREY, zorder=0)
    left.set(xlabel="images of other classes taken for it", ylabel="images of the class found", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="Precision over recall")
    handles, _ = left.get_legend_handles_labels()
    title = "least area first" if len(names) == len(roc) else f"least area, of {len(roc)}"
    figure.legend(handles=handles, loc="outside right center", prop={"family": fonts, "size": 9}, title=title)
    figure.suptitle(f"Each class against the others, {split}")
    return figure


def reliability(folder: Path) -> Figure | None:
    """reliability.jpg: accuracy by confidence, before and after the temperature; errors by the share of answers."""
    prefix, split = _shown(folder, RELIABILITY)
    if not split:
        return None
    answers = read_answers(folder / f"{prefix}{PREDICTIONS}")
    risk = risk_by_coverage(answers.p_predicted, answers.labels == answers.predicted)
    figure = canvas(11, 5.2)
    left, right = figure.subplots(1, 2)
    for (kind, bins), colour in zip(read_reliability(folder, prefix).items(), (GREY, COLOURS["train"])):
        label = f"{kind}: {100 * bins.error:.1f} points off"
        left.plot(bins.confidence, bins.accuracy, "o-", color=colour, markersize=4, label=label)
    left.plot([0, 1], [0, 1], ":", color=COLOURS["accuracy"], zorder=0)
    left.set(xlabel="probability of the predicted class", ylabel="share that is right", title="Reliability")
    left.legend(loc="upper left")
    right.plot(np.arange(1, len(risk) + 1) / max(1, len(risk)), risk, color=COLOURS["val"])
    right.set(xlabel="share of images that are answered, the most confident first", title="Risk and coverage")
    right.set_ylabel("share of errors among them")
    _finish(left)
    _finish(right)
    right.set_ylim(0, max(0.02, 1.1 * float(risk.max(initial=0))))
    figure.suptitle(f"Confidence on {len(risk):,} images of {split}, in bins of equal counts")
    return figure


def _shown(folder: Path, name: str) -> tuple[str, str]:
    """(prefix of the tables, the split in words), both '' where there is no table `name`."""
    config = read_config(folder)
    for prefix, split in (("test_", "test"), ("", config.split if config.only_val else "val")):
        if (folder / f"{prefix}{name}").is_file():
            return prefix, split
    return "", ""


def _hardest(roc: Mapping[str, Points]) -> list[str]:
    """The classes with the least area under their curve, the least first."""
    areas = {name: float(np.diff(x) @ (y[1:] + y[:-1]) / 2) for name, (x, y) in roc.items()}
    return sorted(areas, key=areas.__getitem__)[:NAMED]


def _lines(axes: Axes, curves: Mapping[str, Points], named: Mapping[str, str]) -> None:
    """A line for each class. named: names of classes -> labels; they have colours, in this order."""
    for name, (x, y) in curves.items():
        if name not in named:
            axes.plot(x, y, color=GREY, linewidth=0.7, zorder=1)
    for place, (name, label) in enumerate(named.items()):
        axes.plot(*curves[name], color=f"C{place}", linewidth=1.4, label=label, zorder=2)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
