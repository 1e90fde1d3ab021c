"""GhostNet: "More Features from Cheap Operations", https://arxiv.org/abs/1911.11907. State-dict keys: timm.

Key map: conv_stem, bn1 stem; blocks.0 .. .8 stages of bottlenecks; blocks.9 last 1x1 convolution; conv_head a layer
after the pooling; classifier head. In a bottleneck: ghost1 expansion, conv_dw and bn_dw only with stride 2, se maybe,
ghost2 projection, `shortcut` (0 depthwise, 1 norm, 2 1x1 convolution, 3 norm) where the shape changes.
Reference: timm.models.ghostnet. Public weights: timm/ghostnet_100.in1k on the hub (the authors'), Apache-2.0.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .layers import ConvNormAct, make_divisible
from .libraries import hundredths, named
from .registry import register


class Row(NamedTuple):
    """A bottleneck in the order of Table 1; `squeeze`: has squeeze-excitation."""

    kernel_size: int
    hidden: int
    channels: int
    squeeze: bool
    stride: int


STAGES = (  # Table 1, without the two layers around it; the authors' code has the kernel sizes
    (Row(3, 16, 16, False, 1),),
    (Row(3, 48, 24, False, 2),),
    (Row(3, 72, 24, False, 1),),
    (Row(5, 72, 40, True, 2),),
    (Row(5, 120, 40, True, 1),),
    (Row(3, 240, 80, False, 2),),
    (
        Row(3, 200, 80, False, 1),
        Row(3, 184, 80, False, 1),
        Row(3, 184, 80, False, 1),
        Row(3, 480, 112, True, 1),
        Row(3, 672, 112, True, 1),
    ),
    (Row(5, 672, 160, True, 2),),
    (
        Row(5, 960, 160, False, 1),
        Row(5, 960, 160, True, 1),
        Row(5, 960, 160, False, 1),
        Row(5, 960, 160, True, 1),
    ),
)
VARIANTS = {  # a suffix is the width multiplier of the paper
    "0.5": dict(width=0.5),
    "1.0": dict(width=1.0),
    "1.3": dict(width=1.3),
}


class GhostModule(nn.Module):
    """A 1x1 convolution gives half of the channels, a depthwise one of these the rest.

    (N, C, H, W) -> (N, out_channels, H, W); out_channels is even.
    """

    def __init__(self, in_channels: int, out_channels: int, *, activation: type[nn.Module] | None = nn.ReLU) -> None:
        super().__init__()
        half = out_channels // 2
        self.primary_conv = ConvNormAct(in_channels, half, 1, activation=activation)
        self.cheap_operation = ConvNormAct(half, half, 3, groups=half, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_conv(x)
        return torch.cat((primary, self.cheap_operation(primary)), dim=1)


class SqueezeExcite(nn.Module):
    """x * hard_sigmoid(conv(relu(conv(mean of x over its positions)))); (N, C, H, W) -> same.

    The arithmetic is that of layers.SqueezeExcitation, the keys are not.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = make_divisible(channels / 4, 4)
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        return x * self.gate(self.conv_expand(self.act1(self.conv_reduce(pooled))))


class GhostBottleneck(nn.Module):
    """shortcut(x) + ghost(se(depthwise(ghost(x)))); (N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""

    def __init__(
        self, in_channels: int, hidden: int, out_channels: int, *, kernel_size: int, squeeze: bool, stride: int
    ) -> None:
        super().__init__()
        self.ghost1 = GhostModule(in_channels, hidden)
        if stride != 1:
            self.conv_dw, self.bn_dw = ConvNormAct(
                hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=None
            )
        else:
            self.conv_dw = nn.Identity()
            self.bn_dw = nn.Identity()
        self.se = SqueezeExcite(hidden) if squeeze else nn.Identity()
        self.ghost2 = GhostModule(hidden, out_channels, activation=None)
        self.shortcut = nn.Sequential()  # the identity
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                *ConvNormAct(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, activation=None),
                *ConvNormAct(in_channels, out_channels, 1, activation=None),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn_dw(self.conv_dw(self.ghost1(x)))
        return self.shortcut(x) + self.ghost2(self.se(out))


@register(
    "ghostnet",
    VARIANTS,
    stages=("conv_stem bn1", "blocks.*", "conv_head"),
    head="classifier",
    cam=r"blocks\.\d",
    libraries=dict(timm=named("ghostnet_{}", *VARIANTS, clean=hundredths)),
)
class GhostNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(self, width: float, *, dropout: float = 0.2, num_classes: int = 1000) -> None:
        super().__init__()
        channels = make_divisible(16 * width, 4)
        self.conv_stem, self.bn1, self.act1 = ConvNormAct(3, channels, stride=2)
        stages = []
        for rows in STAGES:
            blocks = []
            for kernel_size, base_hidden, base, squeeze, stride in rows:
                hidden = make_divisible(base_hidden * width, 4)
                out_channels = make_divisible(base * width, 4)
                blocks.append(
                    GhostBottleneck(
                        channels, hidden, out_channels, kernel_size=kernel_size, squeeze=squeeze, stride=stride
                    )
                )
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        conv, norm, act = ConvNormAct(channels, hidden, 1)  # as wide as inside the last bottleneck
        stages.append(nn.Sequential(nn.Sequential(OrderedDict(conv=conv, bn1=norm, act=act))))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(hidden, 1280, 1)
        self.act2 = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1280, num_classes)
        # the reference keeps PyTorch's own initialisation

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))  # (N, C, H / 32, W / 32)
        x = self.act2(self.conv_head(nn.functional.adaptive_avg_pool2d(x, 1)))  # (N, 1280, 1, 1)
        return self.classifier(self.dropout(x.flatten(1)))
