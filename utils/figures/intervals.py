"""How sure a figure is, given the number of images that it rests on: 95 % intervals."""

import math
from dataclasses import dataclass

import numpy as np

Z = 1.959963984540054  # of the normal distribution, for 95 %
DRAWS = 10_000
MOST_NUMBERS = 20_000_000  # for one bootstrap, about two seconds; below LEAST draws it does not go
LEAST = 500
BLOCK = 4_000_000  # numbers of one block of draws: 32 MB


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __str__(self) -> str:
        """In per cent."""
        return f"[{self.low:.1%}, {self.high:.1%}]".replace("%", "")


def wilson(right: int, images: int) -> Interval:
    """Of a share (Wilson, 1927): it holds for few images and for shares near 0 and 1 too. 0..1 without an image."""
    if not images:
        return Interval(0.0, 1.0)
    share, spread = right / images, Z**2 / images
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / images + spread / images / 4) / (1 + spread)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True)
class MacroIntervals:
    """Of macro precision, recall and F1, by so many `draws`."""

    precision: Interval
    recall: Interval
    f1: Interval
    draws: int


def draws_for(cells: int) -> int:
    """Draws of a bootstrap that takes a random number for each of so many cells."""
    return max(LEAST, min(DRAWS, MOST_NUMBERS // cells))


def bootstrap_macro(confusion: np.ndarray, seed: int = 0, draws: int | None = None) -> MacroIntervals:
    """Percentiles over sets of images that are drawn from those evaluated, with replacement (Efron, 1979).

    confusion: (K, K) counts, rows true; to draw images is to draw counts of its cells.  draws: DRAWS if None, fewer
    where there are many cells.
    """
    true, predicted = np.nonzero(confusion)
    counts = confusion[true, predicted]
    images = int(counts.sum())
    if not images:
        nothing = Interval(0.0, 1.0)
        return MacroIntervals(nothing, nothing, nothing, 0)
    draws = draws or draws_for(len(counts))
    generator, found = np.random.default_rng(seed), []
    block = max(1, BLOCK // len(counts))
    for first in range(0, draws, block):
        drawn = generator.multinomial(images, counts / images, size=min(block, draws - first))
        found.append(_macro(drawn, true, predicted, len(confusion)))
    low, high = np.percentile(np.concatenate(found, axis=1), [2.5, 97.5], axis=1)
    precision, recall, f1 = (Interval(float(a), float(b)) for a, b in zip(low, high))
    return MacroIntervals(precision, recall, f1, draws)


def _macro(drawn: np.ndarray, true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """(3, D) macro precision, recall and F1 of each of D draws. drawn: (D, cells); as metrics.metrics_from has it."""
    support = _sums(drawn, true, num_classes)
    taken = _sums(drawn, predicted, num_classes)
    hits = _sums(np.where(true == predicted, drawn, 0), true, num_classes)
    classes = np.maximum(1, (support + taken > 0).sum(axis=1))
    shares = hits / np.maximum(1, taken), hits / np.maximum(1, support), 2 * hits / np.maximum(1, support + taken)
    return np.stack([share.sum(axis=1) / classes for share in shares])


def _sums(drawn: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """(D, K) from (D, cells): the counts of each class."""
    order = np.argsort(classes, kind="stable")
    present, starts = np.unique(classes[order], return_index=True)
    sums = np.zeros((len(drawn), num_classes), dtype=drawn.dtype)
    sums[:, present] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return sums
