"""Calibration by one number: logits are divided by a temperature. https://arxiv.org/abs/1706.04599, section 4.2."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

STEPS = 100  # of LBFGS; some ten are enough
BLOCK = 2**18  # logits at a time: 2 MB, which stay in a processor's cache


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature with the least log loss; 1 where it would not be less.

    logits: (N, K).  targets: (N,).  Its logarithm has the standard normal distribution beforehand, which counts as much
    as one image or so: where every image is right, the loss alone would ask for endless confidence.
    """
    if not len(targets):
        return 1.0
    scores = torch.from_numpy(np.asarray(logits))
    classes = torch.from_numpy(np.asarray(targets, dtype=np.int64))
    exponent = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([exponent], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = exponent**2 / 2 / len(classes)
        total.backward()
        for each in _losses(scores, classes, exponent):
            each.backward()
            total = total.detach() + each.detach()
        return total

    optimizer.step(loss)
    found = exponent.detach()
    with torch.no_grad():
        before, after = (float(sum(_losses(scores, classes, at))) for at in (torch.zeros_like(found), found))
    temperature = float(found.exp())
    return temperature if np.isfinite(temperature) and after < before else 1.0


def _losses(scores: Tensor, classes: Tensor, exponent: Tensor) -> Iterator[Tensor]:
    """The log loss in pieces that sum up to it, each of some images. exponent: the logarithm of the temperature."""
    rows = max(1, BLOCK // scores.shape[1])
    for part, of_part in zip(scores.split(rows), classes.split(rows)):
        scaled = part.double() / exponent.exp()
        yield functional.cross_entropy(scaled, of_part, reduction="sum") / len(classes)
