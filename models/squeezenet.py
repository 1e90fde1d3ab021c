"""SqueezeNet: "AlexNet-level accuracy with 50x fewer parameters", https://arxiv.org/abs/1602.07360. Keys: torchvision.

Key map: features.0 stem; features.3 .. 12 Fire modules (squeeze, expand1x1, expand3x3) with poolings between them;
classifier.1 the last convolution.
Reference: torchvision squeezenet1_0, squeezenet1_1. Public weights: torchvision's squeezenet1_0-b66bff10.pth,
squeezenet1_1-b8a52dc0.pth, BSD-3-Clause.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .layers import check_img_size
from .libraries import named, underscores
from .registry import register


class Fire(nn.Module):
    """Few 1x1 filters, then 1x1 and 3x3 filters side by side; (N, C, H, W) -> (N, 2 * expanded, H, W)."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.squeeze(x))
        return self.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), 1))


def init_weights(module: nn.Module) -> None:
    """For `network.apply`: He-uniform convolutions over the fan in, zero biases."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


VARIANTS: dict[
    str, dict[str, Any]
] = {  # 1.0: Table 1 of the paper; 1.1: the authors' https://github.com/forresti/SqueezeNet
    "1.0": dict(stem_width=96, stem_kernel=7, pooled=(0, 3, 7)),
    "1.1": dict(stem_width=64, stem_kernel=3, pooled=(0, 2, 4)),
}


def min_img_size(stem_kernel: int) -> int:
    """The side that leaves each of the three poolings, which do not pad, 2x2 positions."""
    return 14 + stem_kernel


@register(
    "squeezenet",
    VARIANTS,
    stages=("features.*",),
    head="classifier.1",
    cam=r"features\.\d+",
    min_img_size={suffix: min_img_size(variant["stem_kernel"]) for suffix, variant in VARIANTS.items()},
    libraries=dict(torchvision=named("squeezenet{}", *VARIANTS, clean=underscores)),
)
class SqueezeNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits, never negative: a ReLU follows the last convolution.

    pooled: numbers of the Fire modules, from 0, that have a pooling before them.
    """

    def __init__(
        self,
        stem_width: int,
        stem_kernel: int,
        pooled: tuple[int, ...],
        *,
        dropout: float = 0.5,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.least_side = min_img_size(stem_kernel)
        channels = stem_width
        layers: list[nn.Module] = [nn.Conv2d(3, channels, stem_kernel, stride=2), nn.ReLU(inplace=True)]
        for i in range(8):
            if i in pooled:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            size = 1 + i // 2  # two modules of each size, Section 5.1 of the paper
            layers.append(Fire(channels, squeezed=16 * size, expanded=64 * size))
            channels = 128 * size
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(channels, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            last,
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.apply(init_weights)
        nn.init.normal_(last.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], self.least_side)
        x = self.features(x)  # (N, 512, H / 16, W / 16)
        return self.classifier(x)
