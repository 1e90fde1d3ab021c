"""An exponential moving average of a network's weights, under the network's own keys."""

import copy

import torch
from torch import Tensor, nn

from .snapshot import by_dtype, choose

Pairs = list[tuple[list[Tensor], list[Tensor]]]  # tensors of one dtype: of the average, of the network


class ModelEma:
    """`model` is the averaged copy, always in eval mode. BatchNorm statistics are averaged too, counters are copied."""

    def __init__(self, model: nn.Module, *, decay: float, every: int = 1) -> None:
        """decay: share of the average that an update keeps, 0..1.  every: optimizer steps between two updates."""
        self.decay, self.every = decay, every
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._source: nn.Module | None = None
        self._pairs: Pairs = []

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
        for average, source in self._pairs_with(model):
            if average[0].is_floating_point():
                _move(average, source, share)
            else:
                choose(skip, average, average, source)

    def _pairs_with(self, model: nn.Module) -> Pairs:
        """Of this model, found once: to walk through a large network at every step takes milliseconds."""
        if self._source is not model:
            target, source = self.model.state_dict(), model.state_dict()
            groups = by_dtype(target.values())
            place = {id(value): name for name, value in target.items()}
            self._pairs = [(group, [source[place[id(value)]] for value in group]) for group in groups]
            self._source = model
        return self._pairs


def _move(average: list[Tensor], source: list[Tensor], share: Tensor) -> None:
    """Bring `average` nearer to `source` by `share`, a scalar on their device, in place."""
    share = share.to(average[0].dtype)
    if share.device.type == "cpu":
        torch._foreach_lerp_(average, source, [share] * len(average))
        return
    way = torch._foreach_sub(source, average)  # lerp would launch a kernel for each tensor
    torch._foreach_mul_(way, share)
    torch._foreach_add_(average, way)
