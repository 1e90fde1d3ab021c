"""predictions.csv read back: what the network said of each image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..figures.agreement import confusion_of
from ..report import saved_answers

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
        return confusion_of(self.true, self.predicted, len(self.classes))

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
    found = saved_answers.read_answers(path, classes)
    figures = found.p_true, found.p_predicted, found.losses, found.ranks
    if len(rows := np.flatnonzero(~np.isfinite(figures).all(axis=0))):
        expected = "expected numbers as p_true, p_predicted, loss and rank, as a run writes them"
        raise DataError(f"{path}: row {rows[0] + 2}: {expected}")
    return Answers(classes, found.paths, found.labels, found.predicted, *figures[:3], found.ranks.astype(int))
