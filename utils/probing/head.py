"""The head of a network: what it is given, and how it becomes a fitted classifier."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models import family_of
from models.heads import linear_head

from .. import distributed
from ..data.batches import Batch
from ..errors import WeightsError
from .fit import LinearClassifier


def needed_head(network: nn.Module) -> nn.Linear:
    """The layer that makes logits of features. Raises WeightsError where it is no linear one."""
    head = linear_head(network)
    if head is None:
        prefix = family_of(network).prefix
        raise WeightsError(f"{prefix}: its head is no linear layer, so that none can be fitted in its place")
    return head


@torch.no_grad()
def set_head(network: nn.Module, classifier: LinearClassifier) -> None:
    """Let the head give the classifier's logits. Raises WeightsError as `needed_head`."""
    head = needed_head(network)
    head.weight.copy_(torch.from_numpy(classifier.weight))
    if head.bias is not None:
        head.bias.copy_(torch.from_numpy(classifier.bias))


class HeadInputs:
    """A Meter that keeps what the head is given."""

    def __init__(self, head: nn.Linear) -> None:
        self.rows: list[Tensor] = []
        self.indices: list[Tensor] = []
        self.head = head

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        hook = self.head.register_forward_pre_hook(lambda _, given: self.rows.append(given[0].detach().float()))
        try:
            yield
        finally:
            hook.remove()

    def update(self, batch: Batch, logits: Tensor) -> None:
        self.indices.append(batch.indices)

    def reduce(self) -> None:
        """Every rank has what all have seen, in the order of the images."""
        rows = [row.cpu() for row in self.rows]
        parts = distributed.gather((torch.cat(rows), torch.cat(self.indices)) if rows else None)
        seen = [part for part in parts if part is not None]
        if not seen:
            return
        values, indices = (torch.cat(tensors) for tensors in zip(*seen))
        order = indices.argsort()
        self.rows, self.indices = [values[order]], [indices[order]]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, D) features and (N,) indices."""
        if not self.rows:
            return np.zeros((0, self.head.in_features), np.float32), np.zeros(0, np.int64)
        return self.rows[0].numpy(), self.indices[0].numpy()
