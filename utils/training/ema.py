"""An exponential moving average of a network's weights, under the network's own keys."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .snapshot import Group, by_dtype

Pair = tuple[list[Tensor], list[Tensor]]  # of the average, of the network: floating, all of one dtype
Counters = tuple[Group, Group]
PART = 2**24  # bytes


class ModelEma:
    """`model` is the averaged copy, always in eval mode. BatchNorm statistics are averaged too, counters are copied."""

    def __init__(self, model: nn.Module, *, decay: float, every: int = 1) -> None:
        """decay: share of the average that an update keeps, 0..1.  every: optimizer steps between two updates."""
        self.decay, self.every = decay, every
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._source: nn.Module | None = None
        self._pairs: list[Pair] = []
        self._counters: list[Counters] = []

    @torch.no_grad()
    def update(self, model: nn.Module, step: int, skip: Tensor) -> None:
        """Take in the weights after optimizer step `step` (1, 2, ...), unless `skip`, a bool on their device, holds.

        The decay warms up as (1 + n) / (10 + n) over the n-th update, so that an average over a short run is not
        ruled by the initial weights.
        """
        if step % self.every:
            return
        updates = step // self.every
        decay = min(self.decay, (1 + updates) / (10 + updates))
        share = torch.where(skip, 0.0, 1 - decay)
        if self._source is not model:
            self._pair_with(model)
        for average, source in self._pairs:
            _move(average, source, share)
        for counters, latest in self._counters:
            counters.write(torch.where(skip, counters.read(), latest.read()))

    def _pair_with(self, model: nn.Module) -> None:
        """Done once: to walk through a large network at every step takes milliseconds."""
        target = self.model.state_dict()
        source = model.state_dict()
        pairs = list(zip(by_dtype(target.values()), by_dtype(source[name] for name in target)))
        self._pairs = [pair for pair in pairs if pair[0][0].is_floating_point()]
        self._counters = [(Group(one), Group(other)) for one, other in pairs if not one[0].is_floating_point()]
        self._source = model


def _move(average: list[Tensor], source: list[Tensor], share: Tensor) -> None:
    """Bring `average` nearer to `source` by `share`, a scalar on their device, in place."""
    share = share.to(average[0].dtype)
    if share.device.type == "cpu":
        torch._foreach_lerp_(average, source, [share] * len(average))
        return
    for part in _parts(average):
        way = torch._foreach_sub(source[part], average[part])  # lerp would launch a kernel for each tensor
        torch._foreach_mul_(way, share)
        torch._foreach_add_(average[part], way)


def _parts(tensors: list[Tensor]) -> Iterator[slice]:
    """Consecutive ones of together about PART bytes, as a difference of all of them would take a network's memory."""
    first = size = 0
    for i, tensor in enumerate(tensors):
        size += tensor.nbytes
        if size >= PART or i == len(tensors) - 1:
            yield slice(first, i + 1)
            first, size = i + 1, 0
