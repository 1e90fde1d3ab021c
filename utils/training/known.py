"""How far an image lies from those of train, by what a network makes of them before its head.

"Out-of-distribution Detection with Deep Nearest Neighbors", https://arxiv.org/abs/2204.06507, section 3: features are
brought to length 1, and the distance to the k-th nearest of train says how unlike them an image is.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

MOST_BYTES = 20 * 10**6  # of the features of train in a checkpoint
A_NEIGHBOUR = 1000  # images of train for each step of k: about as the paper has it, 50 of 50,000, 1,000 of 1.28 million
KEPT = 0.95  # share of val that is not rejected


@dataclass(frozen=True)
class Known:
    """What is stored of train, and where 95 % of val lie."""

    features: Tensor  # (M, D) float16, rows of length 1
    neighbour: int  # in 1..M: the distance to the so-many-th nearest counts
    distance: float  # the greatest of the 95 % of val that are nearest
    confidence: float  # the least of the 95 % of val that are surest, of calibrated probabilities

    @classmethod
    def of(cls, train: Tensor, val: Tensor, confidences: Tensor) -> "Known":
        """From features (M, D) and (N, D), and the greatest probability of each image of val, (N,)."""
        features = normalize(train).half()
        found = cls(features, max(1, len(features) // A_NEIGHBOUR), 0.0, 0.0)
        distances = found.distances(val)
        return cls(features, found.neighbour, kept(distances), -kept(-confidences))

    @cached_property
    def _transposed(self) -> Tensor:
        return self.features.float().T.contiguous()

    def distances(self, features: Tensor) -> Tensor:
        """(N, D) features -> (N,) distances, in 0..2."""
        parts = [normalize(part.float()) @ self._transposed for part in features.split(AT_ONCE)]
        nearest = [part.topk(self.neighbour, dim=1).values[:, -1] for part in parts]
        cosines = torch.cat(nearest) if nearest else features.new_zeros(0)
        return (2 - 2 * cosines).clamp_min(0).sqrt()

    def to_plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ENTRIES}


AT_ONCE = 1024  # images that are compared together
ENTRIES = ("features", "neighbour", "distance", "confidence")


def kept(values: Tensor) -> float:
    """The least bound that KEPT of the values do not exceed; infinity where there are none."""
    place = math.ceil(KEPT * len(values))
    return float(values.sort().values[place - 1]) if place else float("inf")


def most_rows(width: int) -> int:
    """Features of so many images fit into MOST_BYTES."""
    return MOST_BYTES // (2 * width)


def are_known(plain: Any) -> bool:
    """Whether this is what `to_plain` gives, or None; it may come from elsewhere."""
    if plain is None:
        return True
    if not isinstance(plain, dict) or plain.keys() != set(ENTRIES):
        return False
    features, neighbour, *bounds = (plain[name] for name in ENTRIES)
    if not isinstance(features, Tensor) or features.dim() != 2 or features.dtype != torch.float16:
        return False
    if not 0 < 2 * features.numel() <= MOST_BYTES or type(neighbour) is not int or not 1 <= neighbour <= len(features):
        return False
    return bool(features.isfinite().all()) and all(type(bound) is float and bound == bound for bound in bounds)
