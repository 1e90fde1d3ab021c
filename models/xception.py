"""Xception: "Deep Learning with Depthwise Separable Convolutions", https://arxiv.org/abs/1610.02357. Keys: timm.

Key map: conv1, bn1, conv2, bn2 stem; block1 .. block3 entry flow; block4 .. block11 middle flow; block12, conv3, bn3,
conv4, bn4 exit flow; fc head. A block: `rep` (separable convolutions and norms by index), and on the shortcut skip,
skipbn. A separable convolution: conv1 (depthwise), pointwise.
Reference: timm legacy_xception. Public weights: Cadene's xception-43020ad28.pth (timm/legacy_xception.tf_in1k), ported
from Keras, Apache-2.0; they want images normalised by mean 0.5 and std 0.5.
"""

from torch import Tensor, nn

from .layers import check_img_size, global_average_pool, init_kaiming_fan_out
from .libraries import LibraryName
from .registry import register


class SeparableConv(nn.Module):
    """A 3x3 convolution within each channel, then a 1x1 convolution across; (N, C, H, W) -> (N, C', H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    """shortcut(x) + separable convolutions of x; (N, C, H, W) -> (N, widths[-1], H / stride, W / stride), rounded up.

    relu_first: False where x comes out of a ReLU already.
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...], *, stride: int, relu_first: bool) -> None:
        super().__init__()
        if stride != 1 or in_channels != widths[-1]:
            self.skip: nn.Module = nn.Conv2d(in_channels, widths[-1], 1, stride, bias=False)
            self.skipbn: nn.Module = nn.BatchNorm2d(widths[-1])
        else:
            self.skip = nn.Identity()
            self.skipbn = nn.Identity()
        layers: list[nn.Module] = [nn.ReLU()] if relu_first else []  # not in place: the shortcut needs x as it is
        for i, (before, width) in enumerate(zip((in_channels, *widths), widths)):
            if i > 0:
                layers.append(nn.ReLU(inplace=True))
            layers += [SeparableConv(before, width), nn.BatchNorm2d(width)]
        if stride != 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.rep(x) + self.skipbn(self.skip(x))


BLOCKS = (  # Figure 5 of the paper: widths of the separable convolutions, stride
    ((128, 128), 2),
    ((256, 256), 2),
    ((728, 728), 2),
    *[((728, 728, 728), 1)] * 8,
    ((728, 1024), 2),
)
VARIANTS = {"299": dict(dropout=0.5)}  # the rate: the paper's ImageNet models, Section 4.3
MIN_IMG_SIZE = 7  # the stem does not pad


@register(
    "xception",
    VARIANTS,
    stages=(
        "conv1 bn1 conv2 bn2",
        *("block1", "block2", "block3"),
        "block4 block5 block6 block7 block8 block9 block10 block11",  # the middle flow
        "block12",
        "conv3 bn3 conv4 bn4",
    ),
    head="fc",
    cam=r"block\d+|relu",  # the ReLU's last call is the end of the trunk
    img_size=299,
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(timm={"299": LibraryName("legacy_xception")}),
)
class Xception(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; 299 x 299 images leave a last feature map of 10 x 10."""

    def __init__(self, *, dropout: float, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        channels = 64
        for i, (widths, stride) in enumerate(BLOCKS, start=1):
            self.add_module(f"block{i}", Block(channels, widths, stride=stride, relu_first=i > 1))
            channels = widths[-1]
        self.conv3 = SeparableConv(channels, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        self.apply(init_kaiming_fan_out)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 32, H / 2, W / 2)
        x = self.relu(self.bn2(self.conv2(x)))
        for i in range(1, len(BLOCKS) + 1):
            x = getattr(self, f"block{i}")(x)
        x = self.relu(self.bn3(self.conv3(x)))  # (N, 1536, H / 32, W / 32)
        x = self.relu(self.bn4(self.conv4(x)))
        return self.fc(self.dropout(global_average_pool(x)))
