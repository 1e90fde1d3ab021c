"""Optimizers and their parameter groups."""

from typing import Any

import torch
from torch import nn


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
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer_type]
    return adam(groups, lr, betas=config.betas, eps=config.eps, fused=fused)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict`, and what is remembered of a parameter laid out in memory as it is itself.

    The fused optimizers walk through both by address: after a change of channels_last they would mix up the numbers.
    """
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
