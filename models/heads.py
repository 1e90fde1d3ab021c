"""The layer of a network that makes logits of features, where it is a linear one."""

from torch import nn

from .registry import family_of


def linear_head(network: nn.Module) -> nn.Linear | None:
    """Of a network of create_model; None where its head is of another kind, or of several layers."""
    parts = dict(network.named_modules())
    heads = [parts.get(name) for name in family_of(network).head.split()]
    return heads[0] if len(heads) == 1 and isinstance(heads[0], nn.Linear) else None
