"""DenseNet: "Densely Connected Convolutional Networks", https://arxiv.org/abs/1608.06993. Keys: torchvision.

Key map: features.conv0, norm0 stem; features.denseblock1 .. 4 with denselayer1, 2, ... (norm1, conv1, norm2, conv2);
features.transition1 .. 3 (norm, conv) between them; features.norm5; classifier.
Reference: torchvision densenet121 and kin. Public weights: torchvision's densenet121-a639ec97.pth and kin,
BSD-3-Clause, whose layers still carry the older names norm.1, conv.1, norm.2, conv.2.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .layers import check_img_size, global_average_pool
from .libraries import named
from .registry import register


class DenseLayer(nn.Module):
    """x with `growth` new channels behind its own; (N, C, H, W) -> (N, C + growth, H, W)."""

    def __init__(self, in_channels: int, growth: int, *, dropout: float) -> None:
        super().__init__()
        inner = 4 * growth  # the bottleneck of the paper's DenseNet-B
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(self.relu(self.norm1(x)))
        new = self.conv2(self.relu(self.norm2(new)))
        return torch.cat((x, self.dropout(new)), 1)


def dense_block(in_channels: int, depth: int, growth: int, dropout: float) -> nn.Sequential:
    """(N, C, H, W) -> (N, C + depth * growth, H, W)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(depth):
        layers[f"denselayer{i + 1}"] = DenseLayer(in_channels + i * growth, growth, dropout=dropout)
    return nn.Sequential(layers)


def transition(in_channels: int) -> nn.Sequential:
    """Half the channels and half the side: (N, C, H, W) -> (N, C / 2, H / 2, W / 2), rounded down."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(in_channels, in_channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2, stride=2),
        )
    )


def init_weights(module: nn.Module) -> None:
    """For `network.apply`: He-normal convolutions over the fan in, the classifier's biases zero."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


VARIANTS = {  # Table 1 of the paper: layers of each block; 161: the wider network of its ImageNet models
    "121": dict(depths=(6, 12, 24, 16), growth=32),
    "161": dict(depths=(6, 12, 36, 24), growth=48),
    "169": dict(depths=(6, 12, 32, 32), growth=32),
    "201": dict(depths=(6, 12, 48, 32), growth=32),
}
MIN_IMG_SIZE = 29  # leaves each of the three halvings its 2x2 window
NAMES = named("densenet{}", *VARIANTS)


@register(
    "densenet",
    VARIANTS,
    stages=(
        "features.conv0 features.norm0",
        *(f"features.denseblock{i} features.transition{i}" for i in (1, 2, 3)),
        "features.denseblock4 features.norm5",
    ),
    head="classifier",
    cam=r"features\.\w+",
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(torchvision=NAMES, timm=NAMES),
)
class DenseNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side.

    dropout: chance to drop a value among a layer's new channels; 0.2 in the paper where images are not augmented.
    """

    def __init__(self, depths: tuple[int, ...], growth: int, *, dropout: float = 0.0, num_classes: int = 1000) -> None:
        super().__init__()
        channels = 2 * growth
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(channels),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(3, stride=2, padding=1),
            )
        )
        for i, depth in enumerate(depths, start=1):
            self.features.add_module(f"denseblock{i}", dense_block(channels, depth, growth, dropout))
            channels += depth * growth
            if i < len(depths):
                self.features.add_module(f"transition{i}", transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.features.add_module("relu5", nn.ReLU(inplace=True))
        self.classifier = nn.Linear(channels, num_classes)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        x = self.features(x)  # (N, C, H / 32, W / 32)
        return self.classifier(global_average_pool(x))
