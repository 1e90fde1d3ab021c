"""Whether runs differ on the images that all of them were judged by."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from ..figures.agreement import confusion_of
from ..figures.pairs import Difference, difference
from ..text import shown
from ..training.metrics import Metrics, metrics_from
from .saved_answers import PREDICTIONS, SavedAnswers, read_answers, split_of
from .saved_run import names_of_runs

MOST_RUNS = 6  # of which each pair is compared; of more, the others with the first


@dataclass(frozen=True)
class Pair:
    """Two runs, by the images that both were judged by; found: None where there is no such image."""

    first: str
    second: str
    images: int
    found: Difference | None

    def __str__(self) -> str:
        title = f"{shown(self.first)} less {shown(self.second)}"
        if self.found is None:
            return f"{title}: no image in common"
        return f"{title}, {self.images:,} images of both: {self.found}"


def on_test(folder: Path) -> Path | None:
    """The table of test, which an `only_val` of it has without the prefix; None where there is none."""
    if (path := folder / f"test_{PREDICTIONS}").is_file():
        return path
    path = folder / PREDICTIONS
    return path if path.is_file() and split_of(path) == "test" else None


def common_tables(folders: Sequence[Path]) -> dict[str, Path]:
    """The table that each run, by its name, is compared by: of test where every one has looked at it.

    Runs without a table are left out: they are of older versions, or not at their end.
    """
    of_test = [on_test(folder) for folder in folders]
    paths = of_test if all(of_test) else [folder / PREDICTIONS for folder in folders]
    return {name: path for name, path in zip(names_of_runs(folders), paths) if path and path.is_file()}


def read_common(folders: Sequence[Path]) -> dict[str, SavedAnswers]:
    """The answers of each run in the table that it is compared by. Raises DataError for a damaged one."""
    return {name: read_answers(path) for name, path in common_tables(folders).items()}


def metrics_of(answers: SavedAnswers) -> Metrics:
    return metrics_from(confusion_of(answers.labels, answers.predicted, len(answers.classes)))


def compare_answers(runs: Mapping[str, SavedAnswers]) -> list[Pair]:
    """The difference of the accuracies of each pair of runs; none where there are fewer than two."""
    hits = {name: _hits(answers) for name, answers in runs.items()}
    pairs = list(combinations(hits, 2)) if len(hits) <= MOST_RUNS else [(next(iter(hits)), run) for run in hits][1:]
    return [_compared(one, other, hits[one], hits[other]) for one, other in pairs]


def _hits(answers: SavedAnswers) -> dict[str, bool]:
    """Path of each image -> whether its predicted class is the true one."""
    return dict(zip(map(os.path.abspath, answers.paths), (answers.labels == answers.predicted).tolist()))


def _compared(name: str, other_name: str, hits: dict[str, bool], other_hits: dict[str, bool]) -> Pair:
    both = [image for image in hits if image in other_hits]
    if not both:
        return Pair(name, other_name, 0, None)
    right, other_right = (np.array([each[image] for image in both]) for each in (hits, other_hits))
    return Pair(name, other_name, len(both), difference(right, other_right))
