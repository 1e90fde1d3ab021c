"""predictions.csv read back: what the network said of each image."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..report.answer_tables import COLUMNS
from ..report.run_tables import expecting
from ..tables import as_it_was

SURE = 0.9  # the least probability of a prediction by which a label is doubted


@dataclass(frozen=True)
class Answers:
    """Of N images, in the order of the file. true, predicted: places in `classes`."""

    classes: list[str]
    paths: list[str]
    true: np.ndarray  # (N,) int
    predicted: np.ndarray  # (N,) int
    p_true: np.ndarray  # (N,) 0..1
    p_predicted: np.ndarray
    loss: np.ndarray
    rank: np.ndarray  # (N,) of the true class, 1 for the first

    @property
    def wrong(self) -> np.ndarray:
        """(N,) bool"""
        return self.true != self.predicted

    def confusion(self) -> np.ndarray:
        """(K, K) counts, rows true."""
        size = len(self.classes)
        return np.bincount(self.true * size + self.predicted, minlength=size**2).reshape(size, size)

    def doubted(self) -> np.ndarray:
        """(N,) bool: whether the label may be wrong.

        That is, the network is as sure of another class as it is, on average, of images that bear that one (confident
        learning, https://arxiv.org/abs/1911.00068, section 3.1), and at least SURE: a weak network doubts no label.
        """
        images = np.bincount(self.true, minlength=len(self.classes))
        means = np.bincount(self.true, self.p_true, minlength=len(self.classes)) / np.maximum(1, images)
        return self.wrong & (self.p_predicted >= np.maximum(SURE, means[self.predicted]))


def read_answers(path: Path, classes: list[str]) -> Answers | None:
    """None where there is no such file. Raises DataError for one that is damaged."""
    if not path.is_file():
        return None
    places = {name: place for place, name in enumerate(classes)}
    with expecting(path, f"columns {', '.join(COLUMNS)}, and the classes of the run"):
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header, *rows = (row[: len(COLUMNS)] for row in csv.reader(file) if row)
        if tuple(header) != COLUMNS:
            raise ValueError(f"its columns begin with {header}")
        names, true, predicted, *numbers = zip(*rows) if rows else ([],) * len(COLUMNS)
        p_true, p_predicted, _, loss, rank = (np.array(column, dtype=np.float64) for column in numbers)
        columns = [np.array([places[as_it_was(name)] for name in column], dtype=int) for column in (true, predicted)]
        columns += [p_true, p_predicted, loss, rank.astype(int)]
        return Answers(classes, list(map(as_it_was, names)), *columns)
