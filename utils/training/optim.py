"""Optimizers, their parameter groups, and the norm of gradients."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from ..torch_private import in_memory_order

Groups = list[dict[str, Any]]  # as torch.optim takes them


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Decay for weight matrices and kernels, none for vectors: biases, norm weights, layer scales.

    Reference: "Bag of Tricks for Image Classification", https://arxiv.org/abs/1812.01187, Section 3.1.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _sgd(groups: Groups, config: Any, *, on_cpu: bool) -> Optimizer:
    # one pass over memory takes SGD on a CPU two thirds of the time, AdamW a sixth; elsewhere torch chooses
    options = {"momentum": config.momentum, "nesterov": config.nesterov, "fused": on_cpu or None}
    return torch.optim.SGD(groups, config.init_lr, **options)


def _rmsprop(groups: Groups, config: Any, *, on_cpu: bool) -> Optimizer:
    return torch.optim.RMSprop(groups, config.init_lr, momentum=config.momentum, eps=config.eps)


def _adam(groups: Groups, config: Any, *, on_cpu: bool) -> Optimizer:
    kind = in_memory_order(torch.optim.Adam) if on_cpu else torch.optim.Adam
    return kind(groups, config.init_lr, betas=config.betas, eps=config.eps, fused=on_cpu or None)


def _adamw(groups: Groups, config: Any, *, on_cpu: bool) -> Optimizer:
    kind = in_memory_order(torch.optim.AdamW) if on_cpu else torch.optim.AdamW
    return kind(groups, config.init_lr, betas=config.betas, eps=config.eps, fused=on_cpu or None)


# optimizer_type -> builder; an entry is all that a new optimizer needs
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": _sgd, "adam": _adam, "adamw": _adamw, "rmsprop": _rmsprop}


def make_optimizer(model: nn.Module, config: Any) -> Optimizer:
    """The optimizer that the config (a TrainConfig) names, over the model's parameter groups."""
    groups = parameter_groups(model, config.weight_decay)
    on_cpu = all(parameter.device.type == "cpu" for group in groups for parameter in group["params"])
    return OPTIMIZERS[config.optimizer_type](groups, config, on_cpu=on_cpu)


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
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


def scale_gradients(model: nn.Module, factor: Tensor) -> None:
    """Multiply all gradients of `model` by a scalar on their device, in place."""
    torch._foreach_mul_([parameter.grad for parameter in model.parameters() if parameter.grad is not None], factor)
