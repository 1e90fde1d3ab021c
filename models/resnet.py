"""ResNet: "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385. Keys: torchvision.

Key map: conv1, bn1 stem; layer1 .. layer4 stages of blocks; fc head. In a block: conv1, bn1, ... and `downsample`
(0 convolution, 1 norm) on the shortcut where the shape changes. The stride sits on the 3x3 convolution ("v1.5").
Reference: torchvision.models.resnet. Public weights: torchvision's resnet18-f37072fd.pth and kin, BSD-3-Clause.
"""

from typing import Any, Protocol

from torch import Tensor, nn

from .layers import global_average_pool, init_kaiming_fan_out
from .libraries import named
from .registry import register


class BasicBlock(nn.Module):
    """relu(shortcut(x) + conv3x3(conv3x3(x))); (N, C, H, W) -> (N, width, H / stride, W / stride)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, groups: int = 1, base_width: int = 64) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("a BasicBlock has neither groups nor another base_width")
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + identity)


class Bottleneck(nn.Module):
    """relu(shortcut(x) + conv1x1(conv3x3(conv1x1(x)))); (N, C, H, W) -> (N, 4 * width, H / stride, W / stride)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, groups: int = 1, base_width: int = 64) -> None:
        super().__init__()
        inner, out_channels = width * base_width // 64 * groups, width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + identity)


class BlockClass(Protocol):
    """A class of blocks: (input channels, width, *, stride, ...) -> (N, expansion * width, H / stride, W / stride)."""

    expansion: int

    def __call__(self, *args: Any, **options: Any) -> nn.Module: ...


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The projection on the shortcut, or None where the shape stays."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def make_stages(block: BlockClass, depths: tuple[int, ...], **options: int) -> list[nn.Sequential]:
    """Stages of `block` on 64 channels: each doubles the width and, but for the first, halves the sides."""
    channels, stages = 64, []
    for i, depth in enumerate(depths):
        width, blocks = 64 * 2**i, []
        for j in range(depth):
            blocks.append(block(channels, width, stride=2 if i > 0 and j == 0 else 1, **options))
            channels = width * block.expansion
        stages.append(nn.Sequential(*blocks))
    return stages


VARIANTS = {  # Table 1 of the paper: blocks of each stage
    "18": dict(block=BasicBlock, depths=(2, 2, 2, 2)),
    "34": dict(block=BasicBlock, depths=(3, 4, 6, 3)),
    "50": dict(block=Bottleneck, depths=(3, 4, 6, 3)),
    "101": dict(block=Bottleneck, depths=(3, 4, 23, 3)),
    "152": dict(block=Bottleneck, depths=(3, 8, 36, 3)),
}
NAMES = named("resnet{}", *VARIANTS)
PARTS = dict(stages=("conv1 bn1", "layer1", "layer2", "layer3", "layer4"), head="fc", cam=r"layer\d")


@register("resnet", VARIANTS, **PARTS, libraries=dict(torchvision=NAMES, timm=NAMES))
class ResNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, ...],
        *,
        groups: int = 1,
        base_width: int = 64,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = make_stages(block, depths, groups=groups, base_width=base_width)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self.apply(init_kaiming_fan_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        return self.fc(global_average_pool(x))
