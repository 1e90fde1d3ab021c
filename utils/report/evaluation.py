"""The tables that every evaluation leaves: of classes, of images and of curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..figures.confidence import log_probabilities
from ..figures.summary import Summary
from ..training.metrics import Answers
from .answer_tables import write_answers, write_curves
from .run_tables import write_evaluation
from .saved_answers import PREDICTIONS


def write_tables(
    folder: Path, names: Sequence[str], answers: Answers, classes: Sequence[str], found: Summary, *, prefix: str = ""
) -> None:
    """per_class.csv, confusion_matrix.csv, most_confused.csv, predictions.csv, roc.csv and pr.csv, behind `prefix`.

    names: of the N images, in the order of the answers.  found: what `summarise` makes of the answers.
    """
    more = {"auc": found.ranking.auc, "average_precision": found.ranking.average_precision}
    more["specificity"] = found.specificity
    write_evaluation(folder, found.confusion, found.metrics, classes, prefix=prefix, more=more)
    logarithms = log_probabilities(answers.logits, found.temperature)
    write_answers(folder / f"{prefix}{PREDICTIONS}", names, answers, classes, logarithms)
    write_curves(folder, answers.targets, np.exp(logarithms), classes, prefix)
