"""Whether two classifiers differ on the same images."""

import math
from dataclasses import dataclass

import numpy as np

from .intervals import DRAWS, Interval

EXACT = 1000  # images on which just one is right, up to which the binomial distribution is summed up
SURE = 0.05


@dataclass(frozen=True)
class Difference:
    """Of accuracies, first less second, on the same images."""

    value: float
    interval: Interval  # 95 %, by bootstrap over the images
    only_first: int  # images that the first alone has right
    only_second: int
    p_value: float  # McNemar's test

    @property
    def differs(self) -> bool:
        """Whether both the test and the interval say so."""
        return self.p_value < SURE and not self.interval.low <= 0 <= self.interval.high

    def __str__(self) -> str:
        verdict = "differs" if self.differs else "cannot be told apart"
        return (
            f"{100 * self.value:+.1f} points {self.interval}, {self.only_first} images against {self.only_second}, "
            f"p = {self.p_value:.3g}: {verdict}"
        )


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Difference:
    """first, second: (N,) bool, whether each image is right. Raises ValueError without an image."""
    if len(first) != len(second) or not len(first):
        raise ValueError("expected the same images for both")
    images = len(first)
    gained = int((first & ~second).sum())
    lost = int((~first & second).sum())
    shares = np.array([gained, lost, images - gained - lost]) / images
    drawn = np.random.default_rng(seed).multinomial(images, shares, size=draws)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / images, [2.5, 97.5])
    return Difference((gained - lost) / images, Interval(float(low), float(high)), gained, lost, mcnemar(gained, lost))


def mcnemar(only_first: int, only_second: int) -> float:
    """The chance of a difference at least as great between equals (McNemar, 1947), 0..1.

    Exact up to EXACT images, then by the normal distribution with a correction for continuity.
    """
    images, fewer = only_first + only_second, min(only_first, only_second)
    if images > EXACT:
        return math.erfc(max(0, abs(only_first - only_second) - 1) / math.sqrt(2 * images))
    tail = sum(math.comb(images, i) for i in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**images))
