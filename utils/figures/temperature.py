"""Calibration by one number: logits are divided by a temperature. https://arxiv.org/abs/1706.04599, section 4.2."""

import numpy as np
import torch
from torch.nn import functional

STEPS = 100  # of LBFGS; some ten are enough


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature with the least log loss; 1 where it would not be less.

    logits: (N, K).  targets: (N,).  Its logarithm has the standard normal distribution beforehand, which counts as much
    as one image or so: where every image is right, the loss alone would ask for endless confidence.
    """
    if not len(targets):
        return 1.0
    scores = torch.from_numpy(np.asarray(logits, dtype=np.float64))
    classes = torch.from_numpy(np.asarray(targets, dtype=np.int64))
    exponent = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([exponent], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(scores / exponent.exp(), classes) + exponent**2 / 2 / len(classes)
        value.backward()
        return value

    optimizer.step(loss)
    found = float(exponent.detach().exp())
    with torch.no_grad():
        before, after = (float(functional.cross_entropy(scores / t, classes)) for t in (1.0, found))
    return found if np.isfinite(found) and after < before else 1.0
