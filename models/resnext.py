"""ResNeXt: "Aggregated Residual Transformations", https://arxiv.org/abs/1611.05431. Keys: torchvision, as resnet's.

The ResNet of bottlenecks whose 3x3 convolution works in groups. A suffix reads depth-groups x width of a group.
Reference: torchvision.models.resnet. Public weights: torchvision's resnext50_32x4d-7cdf4587.pth,
resnext101_32x8d-8ba56ff5.pth, BSD-3-Clause.
"""

from .libraries import named, underscores
from .registry import register
from .resnet import PARTS, Bottleneck, ResNet

VARIANTS = {  # Table 1 of the paper
    "50-32x4d": dict(block=Bottleneck, depths=(3, 4, 6, 3), groups=32, base_width=4),
    "101-32x8d": dict(block=Bottleneck, depths=(3, 4, 23, 3), groups=32, base_width=8),
}
NAMES = named("resnext{}", *VARIANTS, clean=underscores)

register("resnext", VARIANTS, **PARTS, libraries=dict(torchvision=NAMES, timm=NAMES))(ResNet)
