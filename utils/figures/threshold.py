"""The probability from which on an image counts as of the second of two classes, if F1 is to be as high as it can."""

from dataclasses import dataclass

import numpy as np

from .intervals import Interval, draws_for
from .ranking import curve

MOST_DRAWS = 1000


@dataclass(frozen=True)
class Threshold:
    value: float  # an image whose probability is at least this counts as of the class
    interval: Interval  # 95 %, of the value, by bootstrap over the images it was chosen on
    f1: float  # there

    def f1_on(self, scores: np.ndarray, of_class: np.ndarray) -> float:
        """On other images; 0 where none is of the class or taken for it."""
        taken = scores >= self.value
        together = int(taken.sum() + of_class.sum())
        return float(2 * (taken & of_class).sum() / together) if together else 0.0


def best_threshold(scores: np.ndarray, of_class: np.ndarray, seed: int = 0) -> Threshold | None:
    """scores: (N,).  of_class: (N,) bool.  The highest of equally good ones; None without an image of the class."""
    found = curve(scores, of_class)
    if not found.images:
        return None
    best = int(found.f1.argmax())
    low, high = np.percentile(_resampled(scores, of_class, seed), [2.5, 97.5], method="nearest")
    return Threshold(float(found.thresholds[best]), Interval(float(low), float(high)), float(found.f1[best]))


def _resampled(scores: np.ndarray, of_class: np.ndarray, seed: int) -> np.ndarray:
    """The best thresholds of sets that are drawn from the images, with replacement."""
    order = np.argsort(-scores, kind="stable")
    scores, of_class, images = scores[order], of_class[order], len(scores)
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # of the images that share a score
    generator, found = np.random.default_rng(seed), []
    for _ in range(min(MOST_DRAWS, draws_for(images))):
        counts = np.bincount(generator.integers(0, images, images), minlength=images)
        hits = np.cumsum(counts * of_class)[last]
        taken = np.cumsum(counts)[last]
        if hits[-1]:
            found.append(scores[last[np.argmax(2 * hits / (hits[-1] + taken))]])
    return np.array(found or [scores[-1]])
