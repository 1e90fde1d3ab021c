"""The tables of a cross-validation: of each fold, of all, and of each image."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..figures.agreement import confusion_of
from ..figures.intervals import wilson
from ..figures.summary import summarise
from ..files import write_json, write_text
from ..text import aligned
from ..training.metrics import Answers, metrics_from
from .answer_tables import write_reliability
from .evaluation import write_tables
from .file_names import FIGURES, FOLDS, FOLDS_TEXT, OUT_OF_FOLD
from .run_tables import write_evaluation

HEADINGS = ("fold", "images", "accuracy", "precision", "recall", "F1", "log loss")
TINY = 1e-300  # a probability of 0 has a logarithm then


@dataclass(frozen=True)
class Judged:
    """The n images of a fold, judged by the network of the other folds."""

    repeat: int
    fold: int
    targets: np.ndarray  # (n,)
    predicted: np.ndarray  # (n,)
    losses: np.ndarray  # (n,) the negative logarithm of the probability of the true class
    run: str = ""  # the folder of the network

    def confusion(self, num_classes: int) -> np.ndarray:
        """(K, K) counts, rows true."""
        return confusion_of(self.targets, self.predicted, num_classes)

    def row(self, num_classes: int) -> dict[str, Any]:
        found = metrics_from(self.confusion(num_classes))
        figures = found.accuracy, found.precision, found.recall, found.f1, float(self.losses.mean())
        return {"repeat": self.repeat, "fold": self.fold, "images": len(self.targets), **dict(zip(FIGURES, figures))}


def summary_of(folds: Sequence[Judged], num_classes: int) -> dict[str, Any]:
    """The rows of all folds, their mean and standard deviation (n - 1), and `pooled`: the figures over all images.

    With repeats the pooled figures are the means over the repeats. Their interval is one of as many images as there
    are: to judge an image twice makes no second image.
    """
    rows = [{**fold.row(num_classes), "run": fold.run} for fold in folds]
    table = np.array([[row[name] for name in FIGURES] for row in rows])
    spread = table.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(len(FIGURES))
    by_repeat = [
        [fold for fold in folds if fold.repeat == repeat] for repeat in sorted({fold.repeat for fold in folds})
    ]
    pooled = [metrics_from(np.sum([fold.confusion(num_classes) for fold in part], axis=0)) for part in by_repeat]
    images = sum(len(fold.targets) for fold in by_repeat[0])
    accuracy, f1 = (float(np.mean([getattr(each, name) for each in pooled])) for name in ("accuracy", "f1"))
    interval = _interval(round(accuracy * images), images)
    return {
        "rows": rows,
        "mean": dict(zip(FIGURES, table.mean(axis=0).tolist())),
        "sd": dict(zip(FIGURES, spread.tolist())),
        "pooled": {"images": images, "accuracy": accuracy, "accuracy_interval": interval, "f1": f1},
    }


def in_words(summary: dict[str, Any]) -> list[str]:
    """A table with a line for each fold, a sentence on all images, and its `note` where it has one."""
    rows, pooled = summary["rows"], summary["pooled"]
    several = max(row["repeat"] for row in rows) > 0
    names = [f"{row['repeat']}.{row['fold']}" if several else str(row["fold"]) for row in rows]
    lines = [[name, f"{row['images']:,}", *_cells(row)] for name, row in zip(names, rows)]
    lines += [["mean", "", *_cells(summary["mean"])], ["sd", "", *_cells(summary["sd"])]]
    low, high = pooled["accuracy_interval"]
    sentence = (
        f"all folds: accuracy {100 * pooled['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of "
        f"{pooled['images']:,} images, each judged by networks that never saw it; macro F1 {100 * pooled['f1']:.1f} %"
    )
    notes = [summary["note"]] if "note" in summary else []
    return [*aligned([("repeat.fold" if several else "fold", *HEADINGS[1:]), *lines]), "", sentence, *notes]


def _cells(figures: dict[str, float]) -> list[str]:
    return [f"{figures[name]:.4f}" for name in FIGURES]


def write_folds(folder: Path, summary: dict[str, Any]) -> None:
    """cross_validation.json and cross_validation.txt. summary: of `summary_of`, or with more beside it."""
    # for the paths of predictions.csv, which are found again by it where a project was moved
    write_json(folder / FOLDS, {"working_directory": os.getcwd(), **summary}, indent=2)
    write_text(folder / FOLDS_TEXT, "\n".join(in_words(summary)) + "\n")


def write_out_of_fold(
    folder: Path, names: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> None:
    """The tables of an evaluation, over N images. labels: (N,).  probabilities: (N, K), calibrated."""
    answers = Answers(np.arange(len(labels)), labels, np.log(np.maximum(probabilities, TINY)))
    found = summarise(answers.logits, labels)
    write_tables(folder, names, answers, classes, found)
    write_reliability(folder, {"calibrated": found.reliability}, "")
    before = ("uncalibrated_", "temperature")  # each fold has its own, which is in the probabilities
    _write_figures(folder, {name: value for name, value in found.overall().items() if not name.startswith(before)})


def write_counts_out_of_fold(folder: Path, confusion: np.ndarray, classes: Sequence[str]) -> None:
    """The tables of classes and the figures that need no probabilities. confusion: (K, K) counts, rows true."""
    found = metrics_from(confusion)
    write_evaluation(folder, confusion, found, classes)
    images = int(confusion.sum())
    interval = _interval(int(np.trace(confusion)), images)
    figures: dict[str, Any] = {"images": images, "accuracy": found.accuracy, "accuracy_interval": interval}
    figures |= {name: getattr(found, name) for name in ("precision", "recall", "f1", "balanced_accuracy")}
    _write_figures(folder, figures)


def _write_figures(folder: Path, figures: dict[str, Any]) -> None:
    content = {"split": OUT_OF_FOLD, "chosen_on": False, **figures, "unreadable": []}
    write_json(folder / f"{OUT_OF_FOLD}_results.json", content, indent=2)


def _interval(right: int, images: int) -> list[float]:
    return list(asdict(wilson(right, images)).values())
