"""An exponential moving average of a network's weights, under the network's own keys."""

import copy

import torch
from torch import Tensor, nn


class ModelEma:
    """`model` is the averaged copy, always in eval mode. BatchNorm statistics are averaged too, counters are copied."""

    def __init__(self, model: nn.Module, *, decay: float, every: int = 1) -> None:
        """decay: share of the average that an update keeps, 0..1.  every: optimizer steps between two updates."""
        self.decay, self.every = decay, every
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

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
        source, target = model.state_dict(), self.model.state_dict()
        floating = [name for name, value in target.items() if value.is_floating_point()]
        share = torch.where(skip, 0.0, 1 - decay)
        shares = [share.to(target[n].dtype) for n in floating]
        torch._foreach_lerp_([target[n] for n in floating], [source[n] for n in floating], shares)
        for name in target.keys() - set(floating):
            target[name].copy_(torch.where(skip, target[name], source[name]))
