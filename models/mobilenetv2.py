"""MobileNetV2: "Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381. Keys: torchvision.

Key map: features.0 stem; features.1 .. .17 inverted residuals; features.18 last 1x1 convolution; classifier.1 head.
In an inverted residual's `conv`: 0 expansion (absent from the first block), then depthwise, 1x1 convolution, norm.
Reference: torchvision.models.mobilenetv2. Public weights: torchvision's mobilenet_v2-b0353104.pth and
mobilenet_v2-7ebf99e0.pth (both width 1.0), BSD-3-Clause.
"""

from itertools import accumulate, pairwise

from torch import Tensor, nn

from .family import numbered
from .layers import ConvNormAct, global_average_pool, init_kaiming_fan_out, init_linear_normal, make_divisible
from .libraries import LibraryName, hundredths, named
from .registry import register

VARIANTS = {  # a suffix is the width multiplier of Section 4
    "0.25": dict(width=0.25),
    "0.5": dict(width=0.5),
    "0.75": dict(width=0.75),
    "1.0": dict(width=1.0),
    "1.25": dict(width=1.25),
    "1.5": dict(width=1.5),
}
STAGES = (  # Table 2: expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STARTS = tuple(accumulate((depth for _, _, depth, _ in STAGES), initial=1))  # where in `features` each stage begins
NAMES = {
    suffix: LibraryName("mobilenet_v2", {} if suffix == "1.0" else {"width_mult": variant["width"]})
    for suffix, variant in VARIANTS.items()
}


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; (N, C, H, W) -> (N, C', H / stride, W / stride).

    The input is added where the shape stays. No activation after the projection: that bottleneck is linear.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormAct(in_channels, hidden, 1, activation=nn.ReLU6))
        layers += [
            ConvNormAct(hidden, hidden, 3, stride=stride, groups=hidden, activation=nn.ReLU6),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


@register(
    "mobilenetv2",
    VARIANTS,
    stages=("features.0", *(numbered("features", range(*ends)) for ends in pairwise(STARTS)), "features.18"),
    head="classifier.1",
    cam=r"features\.\d+",
    libraries=dict(torchvision=NAMES, timm=named("mobilenetv2_{}", "0.5", "0.75", "1.0", clean=hundredths)),
)
class MobileNetV2(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(self, width: float, *, dropout: float = 0.2, num_classes: int = 1000) -> None:
        super().__init__()
        channels = make_divisible(32 * width)
        features: list[nn.Module] = [ConvNormAct(3, channels, stride=2, activation=nn.ReLU6)]
        for expansion, base, depth, first_stride in STAGES:
            out_channels = make_divisible(base * width)
            for i in range(depth):
                stride = first_stride if i == 0 else 1
                features.append(InvertedResidual(channels, out_channels, stride=stride, expansion=expansion))
                channels = out_channels
        last = make_divisible(1280 * max(1.0, width))  # narrow networks keep the full width before the head
        features.append(ConvNormAct(channels, last, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        self.apply(init_kaiming_fan_out)
        self.apply(init_linear_normal)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(global_average_pool(self.features(x)))
