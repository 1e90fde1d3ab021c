"""ShuffleNetV2: "Practical Guidelines for Efficient CNN Architecture Design", https://arxiv.org/abs/1807.11164.

State-dict keys: torchvision. Key map: conv1 stem; stage2 .. stage4 of units with branch2 and, in the first unit of a
stage, branch1; conv5 last 1x1 convolution; fc head. Reference: torchvision.models.shufflenetv2. Public weights:
torchvision's shufflenetv2_x0.5-f707e7126e.pth, shufflenetv2_x1-5666bf0f80.pth and kin, BSD-3-Clause.
"""

import torch
from torch import Tensor, nn

from .layers import ConvNormAct, global_average_pool
from .libraries import named, underscores
from .registry import register

VARIANTS = {  # Table 5 of the paper: channels of stages 2 to 4 and of the last convolution
    "0.5": dict(widths=(48, 96, 192), last_width=1024),
    "1.0": dict(widths=(116, 232, 464), last_width=1024),
    "1.5": dict(widths=(176, 352, 704), last_width=1024),
    "2.0": dict(widths=(244, 488, 976), last_width=2048),
}
DEPTHS = (4, 8, 4)  # Table 5: units of stages 2 to 4


class Unit(nn.Module):
    """Two branches of equal width, their channels interleaved; (N, C, H, W) -> (N, out_channels, H', W').

    With stride 1 a half of the channels takes each branch and branch1 is the identity; with stride 2 both branches
    see all channels and halve the sides, rounded up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        split = stride == 1
        half = out_channels // 2
        self.branch1 = None if split else nn.Sequential(*depthwise(in_channels, half, stride))
        self.branch2 = nn.Sequential(
            *ConvNormAct(half if split else in_channels, half, 1),
            *depthwise(half, half, stride),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.branch1 is None:
            left, right = x.chunk(2, dim=1)
        else:
            left, right = self.branch1(x), x
        return torch.stack((left, self.branch2(right)), dim=2).flatten(1, 2)  # channel 2i from left, 2i + 1 from right


def depthwise(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    """The five layers of a 3x3 depthwise convolution, linear, and a 1x1 convolution to `out_channels` with ReLU."""
    filters = ConvNormAct(in_channels, in_channels, 3, stride=stride, groups=in_channels, activation=None)
    return [*filters, *ConvNormAct(in_channels, out_channels, 1)]


@register(
    "shufflenetv2",
    VARIANTS,
    stages=("conv1", "stage2", "stage3", "stage4", "conv5"),
    head="fc",
    cam=r"stage\d|conv5",
    libraries=dict(torchvision=named("shufflenet_v2_x{}", *VARIANTS, clean=underscores)),
)
class ShuffleNetV2(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(self, widths: tuple[int, ...], last_width: int, *, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(3, 24, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, stages = 24, []
        for depth, width in zip(DEPTHS, widths):
            units = [Unit(channels, width, stride=2)]
            units += [Unit(width, width, stride=1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))
            channels = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = ConvNormAct(channels, last_width, 1)
        self.fc = nn.Linear(last_width, num_classes)
        # the reference keeps PyTorch's own initialisation

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))  # (N, 24, H / 4, W / 4)
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))  # (N, last_width, H / 32, W / 32)
        return self.fc(global_average_pool(x))
