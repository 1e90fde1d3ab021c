"""EfficientNetV2: "Smaller Models and Faster Training", https://arxiv.org/abs/2104.00298. Keys: torchvision.

The EfficientNet of efficientnetv1.py with other stages, the early ones of fused blocks. Key map: features.0 stem;
then the stages; the last of `features` a 1x1 convolution; classifier.1 head. In a fused block's `block`: a convolution
that expands, then the projection, or one convolution alone where the expansion is 1.
Reference: torchvision.models.efficientnet, symmetric padding. Public weights: torchvision's
efficientnet_v2_s-dd5fe13b.pth, efficientnet_v2_m-dc08266a.pth, efficientnet_v2_l-59c71312.pth, BSD-3-Clause.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from .efficientnetv1 import PARTS, EfficientNet, MBConv, Stage
from .libraries import named
from .registry import register


class FusedMBConv(MBConv):
    """Expand with a full convolution, project; (N, C, H, W) -> (N, C', H / stride, W / stride)."""

    @staticmethod
    def layers(
        conv: Callable[..., nn.Module],
        in_channels: int,
        out_channels: int,
        expansion: int,
        kernel_size: int,
        stride: int,
    ) -> list[nn.Module]:
        """Without expansion there is nothing to project: the one convolution leads to the output, and is activated."""
        if expansion == 1:
            return [conv(in_channels, out_channels, kernel_size, stride=stride, activation=nn.SiLU)]
        hidden = in_channels * expansion
        return [
            conv(in_channels, hidden, kernel_size, stride=stride, activation=nn.SiLU),
            conv(hidden, out_channels, 1, activation=None),
        ]


SMALL = (  # Table 4 of the paper
    Stage(FusedMBConv, 1, 3, 1, 24, 2),
    Stage(FusedMBConv, 4, 3, 2, 48, 4),
    Stage(FusedMBConv, 4, 3, 2, 64, 4),
    Stage(MBConv, 4, 3, 2, 128, 6),
    Stage(MBConv, 6, 3, 1, 160, 9),
    Stage(MBConv, 6, 3, 2, 256, 15),
)
MEDIUM = (  # the authors' code, as is LARGE
    Stage(FusedMBConv, 1, 3, 1, 24, 3),
    Stage(FusedMBConv, 4, 3, 2, 48, 5),
    Stage(FusedMBConv, 4, 3, 2, 80, 5),
    Stage(MBConv, 4, 3, 2, 160, 7),
    Stage(MBConv, 6, 3, 1, 176, 14),
    Stage(MBConv, 6, 3, 2, 304, 18),
    Stage(MBConv, 6, 3, 1, 512, 5),
)
LARGE = (
    Stage(FusedMBConv, 1, 3, 1, 32, 4),
    Stage(FusedMBConv, 4, 3, 2, 64, 7),
    Stage(FusedMBConv, 4, 3, 2, 96, 7),
    Stage(MBConv, 4, 3, 2, 192, 10),
    Stage(MBConv, 6, 3, 1, 224, 19),
    Stage(MBConv, 6, 3, 2, 384, 25),
    Stage(MBConv, 6, 3, 1, 640, 7),
)
NORM = partial(nn.BatchNorm2d, eps=1e-3)
VARIANTS = {  # dropout: the recipe of the public weights
    "small": dict(stem=24, stages=SMALL, head=1280, dropout=0.2, norm=NORM),
    "medium": dict(stem=24, stages=MEDIUM, head=1280, dropout=0.3, norm=NORM),
    "large": dict(stem=32, stages=LARGE, head=1280, dropout=0.4, norm=NORM),
}
IMG_SIZES = {"small": 384, "medium": 480, "large": 480}
LIBRARIES = dict(
    torchvision=named("efficientnet_v2_{}", *VARIANTS, clean=lambda size: size[0]),
    timm=named("efficientnetv2_{}", *VARIANTS, clean=lambda size: size[0]),
)

register("efficientnetv2", VARIANTS, **PARTS, img_size=IMG_SIZES, libraries=LIBRARIES)(EfficientNet)
