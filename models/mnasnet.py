"""MnasNet: "Platform-Aware Neural Architecture Search for Mobile", https://arxiv.org/abs/1807.11626, the network B1.

State-dict keys: torchvision. Key map: layers.0 .. .7 stem, a convolution and a depthwise-separable one; layers.8 .. .13
stages of inverted residuals; layers.14 and .15 last 1x1 convolution and norm; classifier.1 head. In an inverted
residual's `layers`: 0 expansion, 3 depthwise, 6 projection, each followed by its norm.
Reference: torchvision.models.mnasnet. Public weights: torchvision's mnasnet0.5_top1_67.823-3ffadce67e.pth,
mnasnet0_75-7090bc5f.pth, mnasnet1.0_top1_73.512-f206786ef8.pth, mnasnet1_3-a4c69d6f.pth, BSD-3-Clause.
"""

from functools import partial

from torch import Tensor, nn

from .family import numbered
from .layers import ConvNormAct, global_average_pool, init_kaiming_fan_out, make_divisible
from .libraries import hundredths, named, underscores
from .registry import register

VARIANTS = {  # a suffix multiplies the channels: the paper's depth multiplier
    "0.5": dict(width=0.5),
    "0.75": dict(width=0.75),
    "1.0": dict(width=1.0),
    "1.3": dict(width=1.3),
}
STAGES = (  # MnasNet-B1 in the authors' code: expansion, kernel size, stride of the first block, channels, blocks
    (3, 3, 2, 24, 3),
    (3, 5, 2, 40, 3),
    (6, 5, 2, 80, 3),
    (6, 3, 1, 96, 2),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
conv = partial(ConvNormAct, norm=partial(nn.BatchNorm2d, momentum=1 - 0.9997))  # TensorFlow's momentum is 1 - PyTorch's


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; (N, C, H, W) -> (N, C', H / stride, W / stride).

    The input is added where the shape stays.
    """

    def __init__(self, in_channels: int, out_channels: int, *, expansion: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.layers = nn.Sequential(
            *conv(in_channels, hidden, 1),
            *conv(hidden, hidden, kernel_size, stride=stride, groups=hidden),
            *conv(hidden, out_channels, 1, activation=None),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


@register(
    "mnasnet",
    VARIANTS,
    stages=(numbered("layers", range(8)), *(f"layers.{i}" for i in range(8, 14)), "layers.14 layers.15"),
    head="classifier.1",
    cam=r"layers\.\d+",
    libraries=dict(
        torchvision=named("mnasnet{}", *VARIANTS, clean=underscores),
        timm=named("mnasnet_{}", "0.5", "0.75", "1.0", clean=hundredths),
    ),
)
class MnasNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    _version = 2  # stored with a state dict: torchvision takes files of version 1 for an older stem of fixed width

    def __init__(self, width: float, *, dropout: float = 0.2, num_classes: int = 1000) -> None:
        super().__init__()
        stem = make_divisible(32 * width)
        channels = make_divisible(16 * width)
        layers = [
            *conv(3, stem, stride=2),
            *conv(stem, stem, groups=stem),
            *conv(stem, channels, 1, activation=None),
        ]
        for expansion, kernel_size, first_stride, base, depth in STAGES:
            blocks, out_channels = [], make_divisible(base * width)
            for i in range(depth):
                stride = first_stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, out_channels, expansion=expansion, kernel_size=kernel_size, stride=stride
                    )
                )
                channels = out_channels
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.Sequential(*layers, *conv(channels, 1280, 1))
        head = nn.Linear(1280, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), head)
        self.apply(init_kaiming_fan_out)
        nn.init.kaiming_uniform_(head.weight, mode="fan_out", nonlinearity="sigmoid")
        nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(global_average_pool(self.layers(x)))
