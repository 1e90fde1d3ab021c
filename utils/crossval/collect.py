"""What the networks of all folds have said, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..report.fold_tables import Judged, summary_of, write_counts_out_of_fold, write_folds, write_out_of_fold
from ..report.saved_answers import PREDICTIONS, SavedAnswers, read_answers
from ..tables import write_csv
from .plan import Division


@dataclass(frozen=True)
class FoldRun:
    repeat: int
    fold: int
    run: Path  # its folder, which has predictions.csv of val


def collect(folder: Path, runs: Sequence[FoldRun], division: Division, facts: dict) -> dict:
    """Write the tables of all folds to `folder`; returns what is in cross_validation.json, `facts` among it.

    Raises DataError where the folds do not go together.
    """
    found = [read_answers(each.run / PREDICTIONS) for each in runs]
    classes = _common_classes(runs, found)
    folds = [_judged(each, answers, classes, folder) for each, answers in zip(runs, found)]
    summary = {**facts, **summary_of(folds, len(classes))}
    if all(answers.probabilities is not None for answers in found):
        write_out_of_fold(folder, *_averaged(found, division), classes)
    else:  # too many classes for a column each: the rows of the first repeat
        first = [answers for each, answers in zip(runs, found) if each.repeat == 0]
        header, column = first[0].cells[0], first[0].cells[0].index("path")
        rows = [
            [*row[:column], division.original(path), *row[column + 1 :]]
            for answers in first
            for path, row in zip(answers.paths, answers.cells[1:])
        ]
        write_csv(folder / PREDICTIONS, header, sorted(rows, key=lambda row: row[column]))
        confusion = np.sum([fold.confusion(len(classes)) for fold in folds if fold.repeat == 0], axis=0)
        write_counts_out_of_fold(folder, confusion, classes)
    write_folds(folder, summary)
    return summary


def _common_classes(runs: Sequence[FoldRun], found: Sequence[SavedAnswers]) -> list[str]:
    """Raises DataError where two folds have different columns p(<class>)."""
    if any(answers.probabilities is None for answers in found):
        return sorted({name for answers in found for name in answers.classes})
    for each, answers in zip(runs, found):
        if answers.classes != found[0].classes:
            raise DataError(
                f"{each.run / PREDICTIONS}: has other classes than that of fold 0; expected the same in all"
            )
    return found[0].classes


def _judged(each: FoldRun, answers: SavedAnswers, classes: Sequence[str], folder: Path) -> Judged:
    place = {name: i for i, name in enumerate(classes)}
    places = np.array([place[name] for name in answers.classes], dtype=np.int64)
    run = each.run.relative_to(folder).as_posix()
    return Judged(each.repeat, each.fold, places[answers.labels], places[answers.predicted], answers.losses, run)


def _averaged(found: Sequence[SavedAnswers], division: Division) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(paths, labels, probabilities), sorted by path; of an image that was judged repeatedly, the mean."""
    paths = [division.original(path) for answers in found for path in answers.paths]
    labels = np.concatenate([answers.labels for answers in found])
    probabilities = np.concatenate([answers.probabilities for answers in found if answers.probabilities is not None])
    names, first, place, counts = np.unique(
        np.array(paths, dtype=object), return_index=True, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(names), probabilities.shape[1]))
    np.add.at(sums, place.reshape(-1), probabilities)
    return names.tolist(), labels[first], sums / counts[:, None]
