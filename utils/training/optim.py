"""Optimizers, and the norm of gradients."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from ..torch_private import in_memory_order, step_with_found_inf, takes_found_inf
from .groups import Groups, parameter_groups, rate_shares


# fused: one pass over memory takes SGD on a CPU two thirds of the time, AdamW a sixth
def _sgd(groups: Groups, config: Any, *, device: torch.device) -> Optimizer:
    options = {"momentum": config.momentum, "nesterov": config.nesterov, "fused": _can_fuse(device)}
    return torch.optim.SGD(groups, config.init_lr, **options)


def _rmsprop(groups: Groups, config: Any, *, device: torch.device) -> Optimizer:
    return torch.optim.RMSprop(groups, config.init_lr, momentum=config.momentum, eps=config.eps)


def _adam(groups: Groups, config: Any, *, device: torch.device) -> Optimizer:
    kind = in_memory_order(torch.optim.Adam) if device.type == "cpu" else torch.optim.Adam
    return kind(groups, config.init_lr, betas=_betas(config), eps=config.eps, fused=_can_fuse(device))


def _adamw(groups: Groups, config: Any, *, device: torch.device) -> Optimizer:
    kind = in_memory_order(torch.optim.AdamW) if device.type == "cpu" else torch.optim.AdamW
    return kind(groups, config.init_lr, betas=_betas(config), eps=config.eps, fused=_can_fuse(device))


def _betas(config: Any) -> tuple[float, float]:
    """torch refuses the integer 0 beside a float."""
    first, second = config.betas
    return float(first), float(second)


def _can_fuse(device: torch.device) -> bool | None:
    return True if device.type in ("cpu", "cuda") else None  # elsewhere torch chooses


# optimizer_type -> builder; an entry is all that a new optimizer needs
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": _sgd, "adam": _adam, "adamw": _adamw, "rmsprop": _rmsprop}


def make_optimizer(model: nn.Module, config: Any) -> Optimizer:
    """The optimizer that the config (a TrainConfig) names, over the parameters that take a gradient by now."""
    shares = rate_shares(model, config.layer_decay, config.head_lr_mult)
    groups = parameter_groups(model, config.init_lr, config.weight_decay, shares=shares)
    return OPTIMIZERS[config.optimizer_type](groups, config, device=next(model.parameters()).device)


def step_unless(optimizer: Optimizer, skip: Tensor) -> None:
    """`optimizer.step()`, which leaves weights and state as they are where `skip` holds, without a look at it.

    skip: a bool on the device of the weights.
    """
    if takes_found_inf(optimizer):
        _begin_momentum(optimizer)
        step_with_found_inf(optimizer, skip.float())
        return
    tensors = _tensors_of(optimizer)
    before = [tensor.detach().clone() for tensor in tensors]
    optimizer.step()
    known = set(map(id, tensors))
    new = [tensor for tensor in _tensors_of(optimizer) if id(tensor) not in known]
    with torch.no_grad():
        for tensor, old in zip([*tensors, *new], [*before, *map(torch.zeros_like, new)]):  # state begins with zeros
            tensor.copy_(torch.where(skip, old, tensor))


def _begin_momentum(optimizer: Optimizer) -> None:
    """With zeros: a first step that is skipped would leave the new buffers of SGD's fused kernel unset."""
    if not isinstance(optimizer, torch.optim.SGD) or optimizer.state:
        return
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _tensors_of(optimizer: Optimizer) -> list[Tensor]:
    """Weights, and what is remembered of them on their device: RMSprop's counts of steps, which nothing is computed
    from, are on the host, where to put one back is to wait for the device."""
    weights = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = [value for values in optimizer.state.values() for value in values.values() if torch.is_tensor(value)]
    return [*weights, *(value for value in state if value.device == weights[0].device)]


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict`, and what is remembered of a parameter laid out in memory as it is itself.

    The fused optimizers walk through both by address: after a change of channels_last they would mix up the numbers.
    """
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


def clipped_norm(parameters: Sequence[Tensor], limit: float) -> Tensor:
    """The norm of all gradients together, which are scaled down where it is greater than `limit`."""
    if math.isfinite(limit):
        return clip_grad_norm_(parameters, limit)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # and no pass that multiplies by 1


def scale_gradients(parameters: Sequence[Tensor], factor: Tensor) -> None:
    """Multiply all gradients by a scalar on their device, in place."""
    torch._foreach_mul_([parameter.grad for parameter in parameters if parameter.grad is not None], factor)
