"""Whether probabilities mean what they say: log loss, Brier score, calibration error, and the gain of abstaining."""

from dataclasses import dataclass

import numpy as np

BINS = 15  # as https://arxiv.org/abs/1706.04599


def log_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, K) logits of any scale -> (N, K) natural logarithms of probabilities, float64."""
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64) / temperature
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def brier_score(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The mean squared distance to the true class, summed over the classes: 0..2 (Brier, 1950).

    scikit-learn's brier_score_loss with scale_by_half=False.
    """
    of_true = probabilities[np.arange(len(targets)), targets]
    squares = np.einsum("nk,nk->n", probabilities, probabilities)
    return float((squares - 2 * of_true + 1).mean())


def ranks(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N,) the place of the true class among all by its score, 1 for the first; among equals the first class leads."""
    own = scores[np.arange(len(targets)), targets][:, None]
    earlier = np.arange(scores.shape[1]) < targets[:, None]
    return 1 + ((scores > own) | ((scores == own) & earlier)).sum(axis=1)


@dataclass(frozen=True)
class Reliability:
    """Images in bins of equal counts, by their confidence: the probability of the predicted class. All (bins,)."""

    confidence: np.ndarray  # mean, rising
    accuracy: np.ndarray
    images: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of the two, weighted by images; NaN without an image."""
        total = self.images.sum()
        return float(self.images @ np.abs(self.confidence - self.accuracy) / total) if total else float("nan")


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """confidence: (N,) in 0..1.  right: (N,) bool.  Bins differ by one image at most; none is empty."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    means = [(confidence[part].mean(), right[part].mean(), len(part)) for part in parts]
    columns = zip(*means) if means else ((), (), ())
    return Reliability(*map(np.array, columns))


def risk_by_coverage(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,) share of errors among the 1, 2, ... N most confident images. https://arxiv.org/abs/1705.08500"""
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
