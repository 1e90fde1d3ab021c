"""The part of a network that makes logits of features."""

from torch import nn

from .registry import family_of


def head_of(network: nn.Module) -> nn.Module:
    """Of a network of create_model: what it is given are the features, (N, D), or (N, D, h, w) still to be averaged."""
    return network.get_submodule(family_of(network).head.split()[0])


def linear_head(network: nn.Module) -> nn.Linear | None:
    """Of a network of create_model; None where its head is of another kind, or of several layers."""
    parts = dict(network.named_modules())
    heads = [parts.get(name) for name in family_of(network).head.split()]
    return heads[0] if len(heads) == 1 and isinstance(heads[0], nn.Linear) else None
