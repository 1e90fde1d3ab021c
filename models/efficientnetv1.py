"""EfficientNet: "Rethinking Model Scaling for Convolutional Neural Networks", https://arxiv.org/abs/1905.11946.

State-dict keys: torchvision. Key map: features.0 stem; .1 .. .7 stages of MBConv blocks; .8 last 1x1 convolution;
classifier.1 head. In a block's `block`: expansion (absent where it is 1), depthwise, squeeze-excitation, projection.
Reference: torchvision.models.efficientnet, symmetric padding. Public weights: torchvision's (BSD-3-Clause)
efficientnet_b0_rwightman-7f5810bc.pth and kin up to b4, efficientnet_b5_lukemelas-1a07897c.pth and kin up to b7.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from .layers import (
    ConvNormAct,
    DropPath,
    SqueezeExcitation,
    global_average_pool,
    init_kaiming_fan_out,
    make_divisible,
    ramp,
)
from .libraries import named
from .registry import register


class MBConv(nn.Module):
    """Expand, filter by channel, squeeze and excite, project; (N, C, H, W) -> (N, C', H / stride, W / stride).

    The input is added where the shape stays. The squeeze is a quarter of the channels before the expansion.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        kernel_size: int,
        stride: int,
        drop_path: float,
        norm: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        conv = partial(ConvNormAct, norm=norm)
        self.block = nn.Sequential(*self.layers(conv, in_channels, out_channels, expansion, kernel_size, stride))
        self.drop_path = DropPath(drop_path)
        self.residual = stride == 1 and in_channels == out_channels

    @staticmethod
    def layers(
        conv: Callable[..., nn.Module],
        in_channels: int,
        out_channels: int,
        expansion: int,
        kernel_size: int,
        stride: int,
    ) -> list[nn.Module]:
        """What `block` holds; `conv` makes a ConvNormAct with the block's norm."""
        hidden = in_channels * expansion
        expand = [] if expansion == 1 else [conv(in_channels, hidden, 1, activation=nn.SiLU)]
        return [
            *expand,
            conv(hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=nn.SiLU),
            SqueezeExcitation(hidden, in_channels // 4, activation=nn.SiLU),
            conv(hidden, out_channels, 1, activation=None),
        ]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.block(x)) if self.residual else self.block(x)


class Stage(NamedTuple):
    """A row of the paper's table: `depth` blocks, of which only the first has `stride` and changes the channels."""

    block: type[nn.Module]
    expansion: int
    kernel_size: int
    stride: int
    channels: int
    depth: int


BASELINE = (  # Table 1: the stages of B0
    Stage(MBConv, 1, 3, 1, 16, 1),
    Stage(MBConv, 6, 3, 2, 24, 2),
    Stage(MBConv, 6, 5, 2, 40, 2),
    Stage(MBConv, 6, 3, 2, 80, 3),
    Stage(MBConv, 6, 5, 1, 112, 3),
    Stage(MBConv, 6, 5, 2, 192, 4),
    Stage(MBConv, 6, 3, 1, 320, 1),
)


def scaled(width: float, depth: float) -> dict:
    """Stem, stages and head of B0 with `width` times the channels and `depth` times the blocks (Section 3.3)."""
    stages = tuple(
        stage._replace(channels=make_divisible(stage.channels * width), depth=math.ceil(stage.depth * depth))
        for stage in BASELINE
    )
    return dict(stem=make_divisible(32 * width), stages=stages, head=4 * stages[-1].channels)


TF_NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)  # of the TensorFlow weights that B5 to B7 come from
VARIANTS = {  # width and depth: the authors' code; dropout: Section 5 of the paper, 0.2 for B0 to 0.5 for B7
    "b0": dict(**scaled(width=1.0, depth=1.0), dropout=0.2),
    "b1": dict(**scaled(width=1.0, depth=1.1), dropout=0.2),
    "b2": dict(**scaled(width=1.1, depth=1.2), dropout=0.3),
    "b3": dict(**scaled(width=1.2, depth=1.4), dropout=0.3),
    "b4": dict(**scaled(width=1.4, depth=1.8), dropout=0.4),
    "b5": dict(**scaled(width=1.6, depth=2.2), dropout=0.4, norm=TF_NORM),
    "b6": dict(**scaled(width=1.8, depth=2.6), dropout=0.5, norm=TF_NORM),
    "b7": dict(**scaled(width=2.0, depth=3.1), dropout=0.5, norm=TF_NORM),
}
IMG_SIZES = {"b0": 224, "b1": 240, "b2": 260, "b3": 300, "b4": 380, "b5": 456, "b6": 528, "b7": 600}
NAMES = named("efficientnet_{}", *VARIANTS)
PARTS = dict(stages=("features.*",), head="classifier.1", cam=r"features\.\d+")


@register("efficientnetv1", VARIANTS, **PARTS, img_size=IMG_SIZES, libraries=dict(torchvision=NAMES, timm=NAMES))
class EfficientNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(
        self,
        stem: int,
        stages: tuple[Stage, ...],
        head: int,
        *,
        dropout: float = 0.2,
        drop_path: float = 0.2,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        # the ramp of the reference would reach drop_path one block after the last
        rates = iter(ramp(drop_path, sum(stage.depth for stage in stages) + 1))
        channels = stem
        features: list[nn.Module] = [ConvNormAct(3, stem, stride=2, norm=norm, activation=nn.SiLU)]
        for stage in stages:
            blocks = []
            for i in range(stage.depth):
                block = stage.block(
                    channels,
                    stage.channels,
                    expansion=stage.expansion,
                    kernel_size=stage.kernel_size,
                    stride=stage.stride if i == 0 else 1,
                    drop_path=next(rates),
                    norm=norm,
                )
                blocks.append(block)
                channels = stage.channels
            features.append(nn.Sequential(*blocks))
        features.append(ConvNormAct(channels, head, 1, norm=norm, activation=nn.SiLU))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(head, num_classes))
        self.apply(init_kaiming_fan_out)
        self.apply(init_linear_uniform)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(global_average_pool(self.features(x)))


def init_linear_uniform(module: nn.Module) -> None:
    """For `network.apply`: linear layers uniform within 1 / sqrt(outputs) of 0, zero biases."""
    if isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)
