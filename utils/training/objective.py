"""Objectives: what a step makes smaller, as a sum over images and the sum of their weights.

Two sums rather than a mean, so that batches that gradients accumulate over, and ranks, count by what is in them.
An entry of LOSSES is all that a new loss needs: the config's `loss_type` takes its choices from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Objective(Protocol):
    """Called with what the network gave and was asked for; may keep tensors or networks of its own, such as a teacher.

    images: (N, 3, H, W), as the network saw them.  logits: (N, K).  targets: (N,) classes, or (N, K) shares.
    Returns two scalars on the device: the sum of the images' weighted losses, which is differentiated, and the sum of
    their weights. Nothing may be read back to the host.
    """

    @property
    def even(self) -> bool:
        """Whether every image has weight 1, so that their number is known without a look at the weights."""

    def __call__(self, images: Tensor, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with smoothed labels, every image of weight 1.

    Paper of label smoothing: https://arxiv.org/abs/1512.00567, Section 7.
    """

    smoothing: float = 0.0  # 0..1, the share that goes to all classes alike
    even: ClassVar[bool] = True

    def __call__(self, images: Tensor, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss = functional.cross_entropy(logits, targets, label_smoothing=self.smoothing, reduction="sum")
        return loss, torch.full_like(loss, len(targets))


SMOOTHING = 0.1  # of LabelSmoothCELoss, where the config's `smoothing` says nothing else

LOSSES: dict[str, Callable[[Any], Objective]] = {  # loss_type -> builder from a TrainConfig
    "CELoss": lambda config: CrossEntropy(config.smoothing),
    "LabelSmoothCELoss": lambda config: CrossEntropy(config.smoothing or SMOOTHING),
}
