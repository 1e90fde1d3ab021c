"""VoVNet: "An Energy and GPU-Computation Efficient Backbone Network", https://arxiv.org/abs/1904.09730. Keys: timm.

Key map: stem.0 .. 2; stages.0 .. 3 with blocks.0, ... (conv_mid.0 .. 4, conv_concat); head.fc. A layer: conv, bn.
Reference: timm VovNet with residual=True, attn="", and the settings of the authors' repository. timm's own vovnet39a
and vovnet57a have no shortcuts and are other networks with the same keys.
Public weights: vovnet39_torchvision.pth, vovnet57_torchvision.pth of https://github.com/stigma0617/VoVNet.pytorch,
the authors', under other names and with no licence stated in its README.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .layers import ConvBNReLU, check_img_size, global_average_pool, init_kaiming_fan_out
from .libraries import LibraryName
from .registry import register


class OSABlock(nn.Module):
    """One-shot aggregation: x and the outputs of a chain of five 3x3 convolutions, joined once by a 1x1 convolution.

    (N, C, H, W) -> (N, out_channels, H, W). shortcut: add x at the end, which needs C == out_channels.
    """

    def __init__(self, in_channels: int, inner: int, out_channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        widths = (in_channels, *[inner] * 5)
        self.conv_mid = nn.ModuleList(ConvBNReLU(before, inner, 3) for before in widths[:-1])
        self.conv_concat = ConvBNReLU(sum(widths), out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for conv in self.conv_mid:
            outputs.append(conv(outputs[-1]))
        joined = self.conv_concat(torch.cat(outputs, 1))
        return joined + x if self.shortcut else joined


VARIANTS = {  # the authors' repository: blocks of each stage, channels inside a block and out of it
    "27slim": dict(depths=(1, 1, 1, 1), inner=(64, 80, 96, 112), widths=(128, 256, 384, 512)),
    "39": dict(depths=(1, 1, 2, 2), inner=(128, 160, 192, 224), widths=(256, 512, 768, 1024)),
    "57": dict(depths=(1, 1, 4, 3), inner=(128, 160, 192, 224), widths=(256, 512, 768, 1024)),
}
MIN_IMG_SIZE = 29  # leaves each of the three poolings, which do not pad, 2x2 positions
SLIM = dict(stage_conv_chs=[64, 80, 96, 112], stage_out_chs=[128, 256, 384, 512], block_per_stage=[1, 1, 1, 1])
NAMES = {
    "27slim": LibraryName("vovnet39a", {"residual": True, **SLIM}),
    "39": LibraryName("vovnet39a", {"residual": True}),
    "57": LibraryName("vovnet57a", {"residual": True}),
}


@register(
    "vovnet",
    VARIANTS,
    stages=("stem", "stages.*"),
    head="head.fc",
    cam=r"stages\.\d",
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(timm=NAMES),
)
class VoVNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has about 1/32 of the side."""

    def __init__(
        self, depths: tuple[int, ...], inner: tuple[int, ...], widths: tuple[int, ...], *, num_classes: int = 1000
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvBNReLU(3, 64, 3, stride=2),
            ConvBNReLU(64, 64, 3),
            ConvBNReLU(64, 128, 3, stride=2),
        )
        channels, stages = 128, []
        for i, (depth, mid, width) in enumerate(zip(depths, inner, widths)):
            stage: OrderedDict[str, nn.Module] = OrderedDict()
            if i > 0:
                stage["pool"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            blocks = []
            for j in range(depth):
                blocks.append(OSABlock(channels, mid, width, shortcut=j > 0))
                channels = width
            stage["blocks"] = nn.Sequential(*blocks)
            stages.append(nn.Sequential(stage))
        self.stages = nn.Sequential(*stages)
        fc = nn.Linear(channels, num_classes)
        self.head = nn.Sequential(OrderedDict(fc=fc))
        self.apply(init_kaiming_fan_out)
        nn.init.zeros_(fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        x = self.stages(self.stem(x))  # (N, C, H / 32, W / 32)
        return self.head(global_average_pool(x))
