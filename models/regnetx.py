"""RegNetX: "Designing Network Design Spaces", https://arxiv.org/abs/2003.13678. Keys: timm.

Key map: stem; s1 .. s4 stages of blocks b1, b2, ...; head.fc. A block: conv1, conv2, conv3 (each conv, bn), between the
last two `se` (fc1, fc2) in a RegNetY, and `downsample` (conv, bn) on the shortcut where the shape changes.
Reference: timm regnetx_002 and kin. Public weights: hub ids timm/regnetx_002.pycls_in1k and kin, MIT; for 800mf, 1.6gf,
3.2gf, 8.0gf, 16gf, 32gf also torchvision's regnet_x_800mf-94a99ebd.pth and kin, BSD-3-Clause, under other names.
torchvision's regnet_x_400mf is another network: it rounds 392 channels up to 400, the paper's authors down to 384.
"""

import math
from collections import Counter, OrderedDict

from torch import Tensor, nn

from .layers import ConvBNReLU, SqueezeExcitation, global_average_pool, init_linear_normal
from .libraries import named
from .registry import register


def stage_shapes(w0: int, wa: float, wm: float, depth: int, group_width: int) -> list[tuple[int, int, int]]:
    """(blocks, width, group width) of each stage: the quantised linear widths of the paper's Section 3.3.

    Block j would have w0 + wa * j channels; the nearest w0 * wm**s, s a whole number, makes it a step of a stair. Steps
    are rounded to multiples of 8, and then to multiples of their group width, which is never wider than the step.
    """
    steps = [round(math.log((w0 + wa * j) / w0, wm)) for j in range(depth)]
    blocks = Counter(round(w0 * wm**s / 8) * 8 for s in steps)  # width -> blocks, narrow to wide
    groups = {width: min(group_width, width) for width in blocks}
    return [(count, round(width / groups[width]) * groups[width], groups[width]) for width, count in blocks.items()]


class Block(nn.Module):
    """relu(shortcut(x) + conv1x1(se(conv3x3(conv1x1(x))))); (N, C, H, W) -> (N, width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, *, stride: int, group_width: int, se_ratio: float) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(in_channels, width, 1)
        self.conv2 = ConvBNReLU(width, width, 3, stride=stride, groups=width // group_width)
        squeezed = round(in_channels * se_ratio)  # of the block's input, not of the layer's
        self.se = SqueezeExcitation(width, squeezed) if se_ratio > 0 else nn.Identity()
        self.conv3 = ConvBNReLU(width, width, 1, relu=False)
        if stride != 1 or in_channels != width:
            self.downsample: nn.Module = ConvBNReLU(in_channels, width, 1, stride=stride, relu=False)
        else:
            self.downsample = nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3(self.se(self.conv2(self.conv1(x))))
        return self.relu(out + self.downsample(x))


def init_weights(module: nn.Module) -> None:
    """For `network.apply`: He-normal convolutions over the fan out of one group; blocks start as their shortcuts."""
    init_linear_normal(module)
    if isinstance(module, nn.Conv2d):
        fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Block):
        nn.init.zeros_(module.conv3.bn.weight)


VARIANTS = {  # the networks released with the paper: pycls, configs/dds_baselines
    "200mf": dict(w0=24, wa=36.44, wm=2.49, depth=13, group_width=8),
    "400mf": dict(w0=24, wa=24.48, wm=2.54, depth=22, group_width=16),
    "600mf": dict(w0=48, wa=36.97, wm=2.24, depth=16, group_width=24),
    "800mf": dict(w0=56, wa=35.73, wm=2.28, depth=16, group_width=16),
    "1.6gf": dict(w0=80, wa=34.01, wm=2.25, depth=18, group_width=24),
    "3.2gf": dict(w0=88, wa=26.31, wm=2.25, depth=25, group_width=48),
    "4.0gf": dict(w0=96, wa=38.65, wm=2.43, depth=23, group_width=40),
    "6.4gf": dict(w0=184, wa=60.83, wm=2.07, depth=17, group_width=56),
    "8.0gf": dict(w0=80, wa=49.56, wm=2.88, depth=23, group_width=120),
    "12gf": dict(w0=168, wa=73.36, wm=2.37, depth=19, group_width=112),
    "16gf": dict(w0=216, wa=55.59, wm=2.1, depth=22, group_width=128),
    "32gf": dict(w0=320, wa=69.86, wm=2.0, depth=23, group_width=168),
}
PARTS = dict(stages=("stem", "s1", "s2", "s3", "s4"), head="head.fc", cam=r"s\d")


def flops_of_timm(suffix: str) -> str:
    """'200mf' -> '002', '4.0gf' -> '040', '12gf' -> '120': hundreds of millions of multiply-adds."""
    return f"{round(float(suffix[:-2]) * (10 if suffix.endswith('gf') else 0.01)):03d}"


def flops_of_torchvision(suffix: str) -> str:
    """'1.6gf' -> '1_6gf', '8.0gf' -> '8gf'."""
    return suffix.replace(".0", "").replace(".", "_")


@register(
    "regnetx",
    VARIANTS,
    **PARTS,
    libraries=dict(
        timm=named("regnetx_{}", *VARIANTS, clean=flops_of_timm),
        torchvision=named(
            "regnet_x_{}", "800mf", "1.6gf", "3.2gf", "8.0gf", "16gf", "32gf", clean=flops_of_torchvision
        ),
    ),
)
class RegNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded up.

    w0, wa, wm, depth, group_width: see `stage_shapes`.
    se_ratio: channels between the two layers of squeeze-excitation, as a share of the block's input; 0 for none.
    """

    def __init__(
        self,
        w0: int,
        wa: float,
        wm: float,
        depth: int,
        group_width: int,
        *,
        se_ratio: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.stem = ConvBNReLU(3, 32, 3, stride=2)
        channels, stages = 32, []
        for blocks, width, group in stage_shapes(w0, wa, wm, depth, group_width):
            stage: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(blocks):
                stride = 2 if i == 0 else 1
                stage[f"b{i + 1}"] = Block(channels, width, stride=stride, group_width=group, se_ratio=se_ratio)
                channels = width
            stages.append(nn.Sequential(stage))
        self.s1, self.s2, self.s3, self.s4 = stages
        self.head = nn.Sequential(OrderedDict(fc=nn.Linear(channels, num_classes)))
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 32, H / 2, W / 2)
        x = self.s4(self.s3(self.s2(self.s1(x))))  # (N, C, H / 32, W / 32)
        return self.head(global_average_pool(x))
