"""ConvNeXt: "A ConvNet for the 2020s", https://arxiv.org/abs/2201.03545. Keys: timm.

Key map: stem (0 convolution, 1 norm); stages.i with downsample (0 norm, 1 convolution; none in the first) and blocks.j
with conv_dw, norm, mlp (fc1, fc2) and gamma, the layer scale; head (norm, fc). Reference: timm.models.convnext. Public
weights: timm/convnext_tiny.fb_in1k and kin on the Hugging Face hub, Apache-2.0; Meta's convnext_tiny_1k_224_ema.pth
and kin under other keys, MIT; torchvision's convnext_tiny-983f1562.pth and kin, BSD-3-Clause, under other keys.
"""

import torch
from torch import Tensor, nn

from .layers import DropPath, LayerNorm2d, Mlp, check_img_size, ramp
from .libraries import named
from .registry import register

VARIANTS = {  # Section 3 of the paper; drop_path: TRAINING.md of the authors, xlarge as fine-tuned from 22k classes
    "tiny": dict(depths=(3, 3, 9, 3), dims=(96, 192, 384, 768), drop_path=0.1),
    "small": dict(depths=(3, 3, 27, 3), dims=(96, 192, 384, 768), drop_path=0.4),
    "base": dict(depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024), drop_path=0.5),
    "large": dict(depths=(3, 3, 27, 3), dims=(192, 384, 768, 1536), drop_path=0.5),
    "xlarge": dict(depths=(3, 3, 27, 3), dims=(256, 512, 1024, 2048), drop_path=0.4),
}
MIN_IMG_SIZE = 32


class Block(nn.Module):
    """x + gamma * mlp(norm(depthwise(x))); (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, dim: int, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))
        self.conv_dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_dw(x).permute(0, 2, 3, 1)  # channels last, where the norm and the linear layers work
        out = (self.gamma * self.mlp(self.norm(out))).permute(0, 3, 1, 2)
        return x + self.drop_path(out)


class Stage(nn.Module):
    """A halving of the map unless it is the first stage, and blocks; (N, C, H, W) -> (N, dim, H / 2, W / 2)."""

    def __init__(self, in_dim: int, dim: int, rates: list[float]) -> None:
        super().__init__()
        self.downsample: nn.Module = nn.Identity()
        if in_dim != dim:
            self.downsample = nn.Sequential(LayerNorm2d(in_dim, eps=1e-6), nn.Conv2d(in_dim, dim, 2, stride=2))
        self.blocks = nn.Sequential(*(Block(dim, drop_path=rate) for rate in rates))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Head(nn.Module):
    """The mean over positions, a norm, the classifier; (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.fc = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(x.mean((2, 3))))


@register(
    "convnext",
    VARIANTS,
    stages=("stem", "stages.* head.norm"),
    head="head.fc",
    cam=r"stages\.\d",
    channels_last=r"stages\.\d\.blocks\.\d+\.(norm|mlp.*)",
    min_img_size=MIN_IMG_SIZE,
    libraries=dict(
        timm=named("convnext_{}", *VARIANTS), torchvision=named("convnext_{}", "tiny", "small", "base", "large")
    ),
)
class ConvNeXt(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits; the last feature map has 1/32 of the side, rounded down."""

    def __init__(
        self, depths: tuple[int, ...], dims: tuple[int, ...], *, drop_path: float = 0.0, num_classes: int = 1000
    ) -> None:
        super().__init__()
        rates = ramp(drop_path, sum(depths))
        self.stem = nn.Sequential(nn.Conv2d(3, dims[0], 4, stride=4), LayerNorm2d(dims[0], eps=1e-6))
        stages = []
        for i, (depth, dim) in enumerate(zip(depths, dims)):
            first = sum(depths[:i])
            stages.append(Stage(dims[max(0, i - 1)], dim, rates[first : first + depth]))
        self.stages = nn.Sequential(*stages)
        self.head = Head(dims[-1], num_classes)
        self.apply(init_trunc_normal)

    def forward(self, x: Tensor) -> Tensor:
        check_img_size(x.shape[-2:], MIN_IMG_SIZE)
        return self.head(self.stages(self.stem(x)))


def init_trunc_normal(module: nn.Module) -> None:
    """For `network.apply`: convolutions and linear layers truncated N(0, 0.02) with zero biases."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
