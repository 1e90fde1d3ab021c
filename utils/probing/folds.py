"""The tables of a cross-validation, of classifiers on features."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..figures.confidence import log_probabilities
from ..report.fold_tables import Judged, summary_of, write_folds, write_out_of_fold
from .fit import ByFolds

FOLDER = "folds"  # below that of the run, whose own tables are of val
NOTE = "the strength of the regression is the best one over all folds, which flatters the figures a little"


def write_by_folds(
    run: Path, found: ByFolds, names: Sequence[str], labels: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """predictions.csv and the tables of the folds, as those of tools/cross_validate.py; returns what they say.

    names, labels: (N,) of the images that `found` is of; paths are written as absolute ones.
    """
    folder = run / FOLDER
    folder.mkdir()
    logarithms = log_probabilities(found.logits)
    losses = -logarithms[np.arange(len(labels)), labels]
    predicted = found.logits.argmax(axis=1)
    parts = [np.flatnonzero(found.fold_of == k) for k in range(found.fold_of.max() + 1)]
    folds = [Judged(0, k, labels[part], predicted[part], losses[part]) for k, part in enumerate(parts)]
    facts = {"request": {"folds": len(parts), "strength": found.strength}, "note": NOTE}
    summary = {**facts, **summary_of(folds, len(classes))}
    order = np.argsort(np.array(names, dtype=object), kind="stable")
    named = [os.path.abspath(names[i]) for i in order]
    write_out_of_fold(folder, named, labels[order], np.exp(logarithms[order]), classes)
    write_folds(folder, summary)
    return summary
