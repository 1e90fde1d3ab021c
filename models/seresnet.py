"""SE-ResNet: "Squeeze-and-Excitation Networks", https://arxiv.org/abs/1709.01507. Keys: timm's legacy_seresnet.

That is the layout of Cadene's pretrained-models.pytorch, after the authors' Caffe networks: the first max pool rounds
up instead of padding, and a bottleneck has its stride on the first 1x1 convolution. Key map: layer0 stem (conv1, bn1);
layer1 .. layer4 stages of blocks (as resnet's, plus se_module); last_linear head. Reference: timm.models.senet.
Public weights: timm's seresnet18-4bb0ce65.pth and seresnet34-a4004e63.pth, Apache-2.0, and Cadene's
se_resnet50-ce0d4300.pth and kin, BSD-3-Clause; also timm/legacy_seresnet18.in1k and kin on the hub.
"""

from collections import OrderedDict

from torch import Tensor, nn

from . import resnet
from .layers import SqueezeExcitation, check_img_size, global_average_pool
from .libraries import named
from .registry import register
from .resnet import make_stages

REDUCTION = 16  # Section 6.1 of the paper: channels over the width of the squeeze


class BasicBlock(resnet.BasicBlock):
    """relu(shortcut(x) + se(relu(conv3x3(conv3x3(x))))); (N, C, H, W) -> (N, width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, width, stride=stride)
        self.se_module = SqueezeExcitation(width, width // REDUCTION)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))  # unlike in the bottleneck, a ReLU before the squeeze
        return self.relu(self.se_module(out) + identity)


class Bottleneck(resnet.Bottleneck):
    """relu(shortcut(x) + se(conv1x1(conv3x3(conv1x1(x))))); (N, C, H, W) -> (N, 4 * width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, width, stride=stride)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride  # as in the authors' networks
        channels = width * self.expansion
        self.se_module = SqueezeExcitation(channels, channels // REDUCTION)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(self.se_module(out) + identity)


VARIANTS = {  # the depths of the ResNets: Table 1 of https://arxiv.org/abs/1512.03385
    "18": dict(block=BasicBlock, depths=(2, 2, 2, 2)),
    "34": dict(block=BasicBlock, depths=(3, 4, 6, 3)),
    "50": dict(block=Bottleneck, depths=(3, 4, 6, 3)),
    "101": dict(block=Bottleneck, depths=(3, 4, 23, 3)),
    "152": dict(block=Bottleneck, depths=(3, 8, 36, 3)),
}
MIN_IMG_SIZE = 3  # the unpadded max pool needs two rows


@register(
    "se-resnet",
    VARIANTS,
    stages=("layer0", "layer1", "layer2", "layer3", "layer4"),
    head="last_linear",
    cam=r"layer\d",
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(timm=named("legacy_seresnet{}", *VARIANTS)),
)
class SEResNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has about 1/32 of the side."""

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...], *, num_classes: int = 1000
    ) -> None:
        super().__init__()
        stem = OrderedDict(
            conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), bn1=nn.BatchNorm2d(64), relu=nn.ReLU(True)
        )
        self.layer0 = nn.Sequential(stem)
        self.pool0 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        stages = make_stages(block, depths)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.last_linear = nn.Linear(512 * block.expansion, num_classes)
        self.apply(init_conv_weight)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        x = self.pool0(self.layer0(x))  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        return self.last_linear(global_average_pool(x))


def init_conv_weight(module: nn.Module) -> None:
    """For `network.apply`: He-normal weights; the biases of the squeezes keep PyTorch's own initialisation."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
