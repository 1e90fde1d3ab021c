"""Saying that a picture is none of the known: by a confidence that is too low, or by what train looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ..errors import ConfigError
from ..training.known import Known
from .predictions import Prediction


@dataclass(frozen=True)
class Rejection:
    """Rejects nothing as it is."""

    least: float = 0.0  # probability in 0..1 that an answer must have
    known: Known | None = None  # to which a picture must be as near as most of val

    def reasons(self, predictions: Sequence[Prediction], features: np.ndarray | None) -> list[str]:
        """For each of the pictures that the network was shown; '' where it is not rejected.

        features: (n, D) of the same pictures, where `known` asks for them.
        """
        if self.known is not None and features is not None:
            distances = self.known.distances(torch.from_numpy(features)).tolist()
            return [self._too_far(distance) for distance in distances]
        return [self._too_unsure(*each.ranked[0]) if each.ranked else "" for each in predictions]

    def _too_far(self, distance: float) -> str:
        most = self.known.distance if self.known else float("inf")
        return f"unlike the pictures of train: distance {distance:.3f} > {most:.3f}" if distance > most else ""

    def _too_unsure(self, name: str, probability: float) -> str:
        return f"confidence {probability:.4f} of {name} < {self.least:.4f}" if probability < self.least else ""


def rejection_of(
    reject: str, min_confidence: float | Literal["auto"], known: Known | None, weights: object
) -> Rejection:
    """By the keys of a PredictConfig and what the file `weights` brings. Raises ConfigError where that lacks it."""
    if reject == "none":
        return Rejection()
    if reject == "confidence" and min_confidence != "auto":
        return Rejection(least=min_confidence)
    if known is None:
        problem = (
            f"{reject!r} needs what a run stores of train and val as it ends (keep_features = True), and {weights} "
        )
        problem += "has none of it; reject = 'confidence' with a number for min_confidence needs nothing"
        raise ConfigError("reject", [problem])
    return Rejection(least=known.confidence) if reject == "confidence" else Rejection(known=known)
