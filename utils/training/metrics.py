"""Metrics from a confusion matrix: integer counts that ranks can add up, then ratios of exact sums."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MONITORS = {  # figures of an evaluation that epochs are compared by -> whether the greatest is best, or the least
    "accuracy": "max",
    "macro_f1": "max",
    "balanced_accuracy": "max",
    "val_loss": "min",
    "macro_auc": "max",
}
COLUMNS = {"macro_f1": "f1"}  # of results.csv, of monitors that have another name there


def no_counts(num_classes: int, device: torch.device | str = "cpu") -> Tensor:
    """The (K, K) int64 confusion matrix of no image."""
    return torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)


def add_counts(confusion: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    """Count (N,) predicted and true classes in a contiguous (K, K) matrix, which is returned. Row: true class.

    In place and without a wait for the device, so that a batch costs its images, not the square of the classes.
    """
    places = targets * len(confusion) + predictions
    confusion.view(-1).index_add_(0, places, torch.ones_like(places))
    return confusion


@dataclass(frozen=True)
class Metrics:
    """Figures in 0..1. Arrays are (K,), in the order of the classes."""

    accuracy: float
    precision: float  # macro average over the classes that occur, as recall and f1
    recall: float
    f1: float
    class_precision: np.ndarray
    class_recall: np.ndarray
    class_f1: np.ndarray
    support: np.ndarray  # true images of each class

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have images; 0 without any."""
        present = self.support > 0
        return float(self.class_recall[present].mean()) if present.any() else 0.0

    def summary(self, loss: float) -> dict[str, float]:
        """The figures over all, as columns of results.csv, after the loss of the same evaluation."""
        scores = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        return {"val_loss": loss, **scores}


def metrics_from(confusion: np.ndarray) -> Metrics:
    """All figures from (K, K) counts, rows true, columns predicted.

    A ratio with nothing to count is 0. A class occurs if some image is it or is taken for it. Equal to scikit-learn's
    precision_recall_fscore_support(average="macro", zero_division=0).
    """
    hits = np.diag(confusion)
    support = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    precision = _ratio(hits, predicted)
    recall = _ratio(hits, support)
    f1 = _ratio(2 * hits, support + predicted)
    occurs = support + predicted > 0

    def macro(values: np.ndarray) -> float:
        return float(values[occurs].mean()) if occurs.any() else 0.0

    accuracy = float(hits.sum() / max(1, support.sum()))
    return Metrics(accuracy, macro(precision), macro(recall), macro(f1), precision, recall, f1, support)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


@dataclass(frozen=True)
class Answers:
    """What a network says of each image, in the order of the image list; without those that could not be read."""

    indices: np.ndarray  # (N,) places in the image list, rising
    targets: np.ndarray  # (N,) true classes
    logits: np.ndarray  # (N, K) float32


@dataclass(frozen=True)
class Evaluation:
    """The figures that every evaluation of this project has."""

    loss: float  # mean cross-entropy per image, without smoothing
    confusion: Tensor  # (K, K) int64 on the CPU; row: true class, column: predicted
    bad: list[tuple[int, str]]  # (index, reason) of images left out
    answers: Answers | None = None  # on rank 0, where they were asked for
    uncalibrated: Answers | None = None  # beside answers that are logits at one temperature alone: those at 1
