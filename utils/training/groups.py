"""Parameters in groups of one learning rate and weight decay, as optimizers take them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.stages import stages_of

from .freezing import Freezing

Groups = list[dict[str, Any]]  # as torch.optim takes them
POSITIONS = ("pos_embed", "relative_position_bias_table")  # tables, which are looked up and multiply nothing


def is_decayed(name: str, parameter: Tensor) -> bool:
    """Whether weight decay is for it: for kernels and matrices, not for biases, norms, layer scales, class tokens and
    tables of positions.

    References: "Bag of Tricks for Image Classification", https://arxiv.org/abs/1812.01187, Section 3.1; for tokens and
    tables the authors' code of DeiT and Swin Transformer.
    """
    last = name.rpartition(".")[2]
    is_vector = parameter.numel() == max(parameter.shape, default=1)
    return parameter.ndim > 1 and (last == "weight" or not (is_vector or last in POSITIONS))


def rate_shares(network: nn.Module, layer_decay: float, head_lr_mult: float) -> dict[str, float]:
    """What the learning rate of each parameter is multiplied by: head_lr_mult in the head, layer_decay ** k in the
    k-th stage before it, as in BEiT, https://arxiv.org/abs/2106.08254. Empty where that is 1 everywhere.

    Raises ValueError for a network that is none of create_model's, unless both are 1.
    """
    if layer_decay == head_lr_mult == 1:
        return {}
    shares: dict[str, float] = {}
    for before_head, (_, names) in enumerate(reversed(stages_of(network))):
        share = layer_decay**before_head if before_head else head_lr_mult
        shares.update(dict.fromkeys(names, share))
    return shares


def parameter_groups(
    network: nn.Module,
    init_lr: float,
    weight_decay: float,
    *,
    shares: Mapping[str, float] | None = None,
) -> Groups:
    """Of the parameters that take a gradient. shares: of init_lr, by name, 1 where it has none."""
    shares = shares or {}
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    groups = []
    for share in dict.fromkeys(shares.get(name, 1.0) for name in trained):
        members = {name: parameter for name, parameter in trained.items() if shares.get(name, 1.0) == share}
        for decayed in (True, False):
            parameters = [member for name, member in members.items() if is_decayed(name, member) is decayed]
            decay = weight_decay if decayed else 0.0
            groups.append({"params": parameters, "weight_decay": decay, "lr": init_lr * share})
    return [group for group in groups if group["params"]]


class StageRow(NamedTuple):
    """How a stage is trained."""

    stage: str
    tensors: int
    trained: int  # of them; of the others none ever
    decayed: int  # of the trained ones
    lr: float  # after the warm-up
    from_epoch: int  # 1, 2, ...; the first that trains it


def stage_rows(network: nn.Module, config: Any, freezing: Freezing) -> list[StageRow]:
    """A row of each stage of a network of create_model. config: a TrainConfig."""
    shares = rate_shares(network, config.layer_decay, config.head_lr_mult)
    parameters = dict(network.named_parameters())
    rows = []
    for title, names in stages_of(network):
        trained = [name for name in names if name not in freezing.always]
        decayed = sum(is_decayed(name, parameters[name]) for name in trained)
        rate = config.init_lr * shares.get(names[0], 1.0)
        later = freezing.at_first.intersection(trained)
        rows.append(StageRow(title, len(names), len(trained), decayed, rate, freezing.epochs + 1 if later else 1))
    return rows


def in_order_of(network: nn.Module, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state of a checkpoint from before `is_decayed`, in the groups of now; any other as it is.

    Until 2026-11-26 all that has two dimensions was decayed, so that class tokens, tables of positions and scales of
    (1, 1, C) were in the first of two groups.
    """
    now = [len(group["params"]) for group in optimizer.param_groups]
    parameters = list(network.parameters())
    then = sorted(range(len(parameters)), key=lambda i: parameters[i].ndim <= 1)  # by the place in the network
    before = [sum(p.ndim > 1 for p in parameters), sum(p.ndim <= 1 for p in parameters)]
    try:
        found = [len(dict(group)["params"]) for group in state["param_groups"]]
        if len(now) != 2 or found != before or now == before or sum(now) != len(parameters):
            return state
        place = {id(p): i for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"])}
        moved = {place[id(parameters[then[old]])]: values for old, values in state["state"].items()}
        groups = [{**group, "params": None} for group in state["param_groups"]]
        groups[0]["params"] = list(range(now[0]))
        groups[1]["params"] = list(range(now[0], sum(now)))
        return {**state, "state": moved, "param_groups": groups}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return state  # what it is instead is reported where it is checked
