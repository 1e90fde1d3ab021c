"""MobileNetV3: "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244. State-dict keys: torchvision.

Key map: features.0 stem; then the inverted residuals; the last of `features` a 1x1 convolution; classifier.0 and .3
head. In an inverted residual's `block`: expansion (absent where the width stays), depthwise, squeeze-excitation (if
any), projection. Reference: torchvision.models.mobilenetv3. Public weights: torchvision's
mobilenet_v3_small-047dcff4.pth, mobilenet_v3_large-8738ca79.pth and -5c1a4163.pth, BSD-3-Clause.
"""

from functools import partial
from itertools import groupby
from typing import NamedTuple

from torch import Tensor, nn

from .family import numbered
from .layers import (
    ConvNormAct,
    SqueezeExcitation,
    global_average_pool,
    init_kaiming_fan_out,
    init_linear_normal,
    make_divisible,
)
from .libraries import named
from .registry import register


class Row(NamedTuple):
    """An inverted residual in the order of the paper's tables; `squeeze`: has squeeze-excitation."""

    kernel_size: int
    hidden: int
    channels: int
    squeeze: bool
    activation: type[nn.Module]
    stride: int


LARGE = (  # Table 1
    Row(3, 16, 16, False, nn.ReLU, 1),
    Row(3, 64, 24, False, nn.ReLU, 2),
    Row(3, 72, 24, False, nn.ReLU, 1),
    Row(5, 72, 40, True, nn.ReLU, 2),
    Row(5, 120, 40, True, nn.ReLU, 1),
    Row(5, 120, 40, True, nn.ReLU, 1),
    Row(3, 240, 80, False, nn.Hardswish, 2),
    Row(3, 200, 80, False, nn.Hardswish, 1),
    Row(3, 184, 80, False, nn.Hardswish, 1),
    Row(3, 184, 80, False, nn.Hardswish, 1),
    Row(3, 480, 112, True, nn.Hardswish, 1),
    Row(3, 672, 112, True, nn.Hardswish, 1),
    Row(5, 672, 160, True, nn.Hardswish, 2),
    Row(5, 960, 160, True, nn.Hardswish, 1),
    Row(5, 960, 160, True, nn.Hardswish, 1),
)
SMALL = (  # Table 2
    Row(3, 16, 16, True, nn.ReLU, 2),
    Row(3, 72, 24, False, nn.ReLU, 2),
    Row(3, 88, 24, False, nn.ReLU, 1),
    Row(5, 96, 40, True, nn.Hardswish, 2),
    Row(5, 240, 40, True, nn.Hardswish, 1),
    Row(5, 240, 40, True, nn.Hardswish, 1),
    Row(5, 120, 48, True, nn.Hardswish, 1),
    Row(5, 144, 48, True, nn.Hardswish, 1),
    Row(5, 288, 96, True, nn.Hardswish, 2),
    Row(5, 576, 96, True, nn.Hardswish, 1),
    Row(5, 576, 96, True, nn.Hardswish, 1),
)
VARIANTS = {  # hidden: the layer before the last in Tables 1 and 2
    "small": dict(rows=SMALL, hidden=1024),
    "large": dict(rows=LARGE, hidden=1280),
}
conv = partial(ConvNormAct, norm=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01))


class InvertedResidual(nn.Module):
    """Expand, filter by channel, maybe squeeze and excite, project; (N, C, H, W) -> (N, C', H / stride, W / stride).

    The input is added where the shape stays. The squeeze is a quarter of the expanded channels.
    """

    def __init__(self, in_channels: int, row: Row) -> None:
        super().__init__()
        hidden, activation = row.hidden, row.activation
        layers: list[nn.Module] = []
        if hidden != in_channels:
            layers.append(conv(in_channels, hidden, 1, activation=activation))
        layers.append(
            conv(hidden, hidden, row.kernel_size, stride=row.stride, groups=hidden, activation=activation),
        )
        if row.squeeze:
            layers.append(SqueezeExcitation(hidden, make_divisible(hidden / 4), gate=nn.Hardsigmoid))
        layers.append(conv(hidden, row.channels, 1, activation=None))
        self.block = nn.Sequential(*layers)
        self.channels = row.channels
        self.residual = row.stride == 1 and in_channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


def stages(network: "MobileNetV3") -> list[str]:
    """The stem, the inverted residuals of each width, the last convolution, the hidden layer."""
    blocks = [layer for layer in network.features if isinstance(layer, InvertedResidual)]
    places = groupby(range(1, len(blocks) + 1), key=lambda i: blocks[i - 1].channels)
    widths = [numbered("features", same) for _, same in places]
    return ["features.0", *widths, f"features.{len(blocks) + 1}", "classifier.0"]


@register(
    "mobilenetv3",
    VARIANTS,
    stages=stages,
    head="classifier.3",
    cam=r"features\.\d+",
    libraries=dict(
        torchvision=named("mobilenet_v3_{}", *VARIANTS),
        timm=named("mobilenetv3_{}_100", *VARIANTS),
    ),
)
class MobileNetV3(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(self, rows: tuple[Row, ...], hidden: int, *, dropout: float = 0.2, num_classes: int = 1000) -> None:
        super().__init__()
        channels = 16
        features: list[nn.Module] = [conv(3, 16, stride=2, activation=nn.Hardswish)]
        for row in rows:
            features.append(InvertedResidual(channels, row))
            channels = row.channels
        features.append(conv(channels, 6 * channels, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, hidden),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self.apply(init_kaiming_fan_out)
        self.apply(init_linear_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(global_average_pool(self.features(x)))
