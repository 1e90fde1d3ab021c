"""VGG: "Very Deep Convolutional Networks for Large-Scale Image Recognition", https://arxiv.org/abs/1409.1556.

State-dict keys: torchvision. Key map: features.<i> convolutions, and norms in the bn variants (an index counts the
layers without weights too); classifier.0 .3 .6 the fully connected layers. Reference: torchvision.models.vgg.
Public weights: torchvision's vgg11-8a719046.pth, vgg16_bn-6c64b313.pth and kin, BSD-3-Clause.
"""

from typing import Any

from torch import Tensor, nn

from .layers import check_img_size, init_kaiming_fan_out, init_linear_normal
from .libraries import named
from .registry import register

VARIANTS: dict[str, dict[str, Any]] = {  # Table 1 of the paper, columns A, B, D and E: convolutions of each stage
    "11": dict(depths=(1, 1, 2, 2, 2)),
    "13": dict(depths=(2, 2, 2, 2, 2)),
    "16": dict(depths=(2, 2, 3, 3, 3)),
    "19": dict(depths=(2, 2, 4, 4, 4)),
    "bn11": dict(depths=(1, 1, 2, 2, 2), batch_norm=True),
    "bn13": dict(depths=(2, 2, 2, 2, 2), batch_norm=True),
    "bn16": dict(depths=(2, 2, 3, 3, 3), batch_norm=True),
    "bn19": dict(depths=(2, 2, 4, 4, 4), batch_norm=True),
}
WIDTHS = (64, 128, 256, 512, 512)  # channels of each stage
MIN_IMG_SIZE = 32  # five halvings without padding
NAMES = named("vgg{}", *VARIANTS, clean=lambda suffix: f"{suffix[2:]}_bn" if suffix.startswith("bn") else suffix)


def stages(network: "VGG") -> list[str]:
    """Each pooling ends a stage; the two hidden layers behind them are stages too."""
    parts = [""]
    for i, layer in enumerate(network.features):
        parts[-1] += f" features.{i}"
        if isinstance(layer, nn.MaxPool2d):
            parts.append("")
    return [*parts[:-1], "classifier.0", "classifier.3"]


@register(
    "vgg",
    VARIANTS,
    stages=stages,
    head="classifier.6",
    cam=r"features\.\d+",
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(torchvision=NAMES, timm=NAMES),
)
class VGG(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; H and W at least 32."""

    def __init__(
        self, depths: tuple[int, ...], *, batch_norm: bool = False, dropout: float = 0.5, num_classes: int = 1000
    ) -> None:
        super().__init__()
        channels = 3
        layers: list[nn.Module] = []
        for depth, width in zip(depths, WIDTHS):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))  # has a bias even before a norm
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)  # any image size fits the first fully connected layer
        self.classifier = nn.Sequential(
            nn.Linear(channels * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        self.apply(init_kaiming_fan_out)
        self.apply(init_linear_normal)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        x = self.avgpool(self.features(x))  # (N, 512, 7, 7)
        return self.classifier(x.flatten(1))
