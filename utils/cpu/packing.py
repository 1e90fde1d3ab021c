"""Convolutions for prediction on a CPU, their filters in the order oneDNN wants, the next activation built in.

torch.nn.Conv2d brings its filters into that order at every call; at batch 1 this takes as long as a small layer.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..torch_private import can_reorder_filters, convolve_reordered, reordered_filters
from .convolutions import replace_convolutions

# our activations under the names of oneDNN's, with the numbers each takes
ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    nn.Hardswish: ("hardswish", []),
}


class PackedConv2d(nn.Module):
    """(N, C, H, W) -> (N, C', H', W') as `conv` in float32, without gradients.

    The best order of filters depends on the input's shape, so they are brought into it anew whenever that changes.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.layout = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self.activation = "none"
        self.numbers: list[float] = []
        self._shape: torch.Size | None = None
        self._filters: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self._filters is None or x.shape != self._shape:
            self._filters = reordered_filters(self.conv.weight, self.layout, x.shape)
            self._shape = x.shape
        return convolve_reordered(x, self._filters, self.conv.bias, self.layout, self.activation, self.numbers)


def pack_convolutions(model: nn.Module) -> None:
    """Replace each float32 convolution of `model` in place, if it is on a CPU whose build of torch can do so."""
    if not can_reorder_filters():
        return
    replace_convolutions(model, lambda conv: conv.weight.dtype == torch.float32, PackedConv2d)
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            _build_in_activations(module)


def _build_in_activations(layers: nn.Sequential) -> None:
    """Move each activation right behind a packed convolution into it. Identities between them are what norms left."""
    present = [(place, layer) for place, layer in enumerate(layers) if type(layer) is not nn.Identity]
    for (_, conv), (place, activation) in pairwise(present):
        if isinstance(conv, PackedConv2d) and type(activation) in ACTIVATIONS:
            conv.activation, conv.numbers = ACTIVATIONS[type(activation)]
            layers[place] = nn.Identity()
