"""Exchanging the convolutions of a network for faster layers on a CPU."""

from collections.abc import Callable

from torch import nn


def replace_convolutions(
    model: nn.Module, fits: Callable[[nn.Conv2d], bool], make: Callable[[nn.Conv2d], nn.Module]
) -> None:
    """Put `make(conv)` in the place of each convolution on a CPU that `fits`, in place.

    Only of plain ones: nn.Conv2d itself (an adder layer, for one, is no linear map), padded with zeros by numbers.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and _is_plain(child) and fits(child):
                setattr(parent, name, make(child))


def _is_plain(conv: nn.Conv2d) -> bool:
    return conv.weight.device.type == "cpu" and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
