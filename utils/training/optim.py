"""Optimizers, their parameter groups, and the norm of gradients."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay for weight matrices and kernels, none for vectors: biases, norm weights, layer scales.

    Reference: "Bag of Tricks for Image Classification", https://arxiv.org/abs/1812.01187, Section 3.1.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


class InMemoryOrder:
    """Lets the fused kernels of Adam on a CPU see every tensor as it lies in memory.

    They copy each gradient that is not contiguous, as those of channels_last kernels, and leave the copy unused.
    """

    def _init_group(self, group: dict[str, Any], *found: list[Tensor] | bool) -> Any:
        """found: lists that the optimizer fills, and in some versions of torch a flag among them."""
        has_complex = super()._init_group(group, *found)
        for tensors in found:
            if isinstance(tensors, list):
                tensors[:] = [tensor.permute(0, 2, 3, 1) if _is_channels_last(tensor) else tensor for tensor in tensors]
        return has_complex


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


class AdamInMemoryOrder(InMemoryOrder, torch.optim.Adam):
    pass


class AdamWInMemoryOrder(InMemoryOrder, torch.optim.AdamW):
    pass


def make_optimizer(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    """The optimizer that the config names, over the model's parameter groups."""
    groups, lr = parameter_groups(model, config.weight_decay), config.init_lr
    # one pass over memory takes AdamW on a CPU a sixth of the time, SGD two thirds; elsewhere torch chooses
    on_cpu = all(parameter.device.type == "cpu" for group in groups for parameter in group["params"])
    fused = True if on_cpu else None
    if config.optimizer_type == "sgd":
        return torch.optim.SGD(groups, lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused)
    if config.optimizer_type == "rmsprop":
        return torch.optim.RMSprop(groups, lr, momentum=config.momentum, eps=config.eps)
    plain = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    adams = {"adam": AdamInMemoryOrder, "adamw": AdamWInMemoryOrder} if on_cpu else plain
    return adams[config.optimizer_type](groups, lr, betas=config.betas, eps=config.eps, fused=fused)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict`, and what is remembered of a parameter laid out in memory as it is itself.

    The fused optimizers walk through both by address: after a change of channels_last they would mix up the numbers.
    """
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def clipped_norm(model: nn.Module, limit: float) -> Tensor:
    """The norm of all gradients of `model` together, which are scaled down where it is greater than `limit`."""
    if math.isfinite(limit):
        return clip_grad_norm_(model.parameters(), limit)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # and no pass that multiplies by 1
