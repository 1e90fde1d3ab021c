"""Meters: what an evaluation counts, batch by batch, on the device, and adds up over the ranks at its end."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from .. import distributed
from ..data.batches import Batch
from .metrics import add_counts, no_counts
from .state import on_device


class Meter(Protocol):
    """update: called with each batch, its targets on the device, and its (N, K) float32 logits there; it must not wait
    for the device.  reduce: called once on every rank, at the end.  result: the same on every rank, after `reduce`.
    """

    def update(self, batch: Batch, logits: Tensor) -> None: ...

    def reduce(self) -> None: ...

    def result(self) -> Any: ...


class Confusion:
    """Counts of each (true, predicted) pair of classes."""

    def __init__(self, num_classes: int, device: torch.device) -> None:
        self.counts = no_counts(num_classes, device)

    def update(self, batch: Batch, logits: Tensor) -> None:
        add_counts(self.counts, logits.argmax(1), batch.targets)

    def reduce(self) -> None:
        self.counts = distributed.all_reduce_sum(self.counts).cpu()

    def result(self) -> Tensor:
        """(K, K) int64 on the CPU; row: true class, column: predicted."""
        return self.counts


class MeanLoss:
    """Mean cross-entropy per image, without smoothing."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.images = device, 0
        self.losses: list[Tensor] = []  # on the device, as reading one is waiting for it

    def update(self, batch: Batch, logits: Tensor) -> None:
        self.losses.append(functional.cross_entropy(logits, batch.targets, reduction="sum"))
        self.images += len(batch.targets)

    def reduce(self) -> None:
        total = sum(torch.stack(self.losses).tolist()) if self.losses else 0.0
        sums = torch.tensor([total, self.images], dtype=torch.float64)
        self.total, self.count = distributed.all_reduce_sum(on_device(sums, self.device)).tolist()

    def result(self) -> float:
        """NaN without an image."""
        return self.total / self.count if self.count else float("nan")
