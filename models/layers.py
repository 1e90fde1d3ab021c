"""What several families truly share. Shapes: N batch, C channels, H x W."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def check_img_size(size: Sequence[int], minimum: int) -> None:
    """Raises ValueError naming the minimum if (height, width) is too small for the strides of a network."""
    if min(size) < minimum:
        raise ValueError(f"images of {size[0]}x{size[1]} are too small: this network needs {minimum}x{minimum}")


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least `divisor` and never more than 10 % below `channels`.

    Reference: the channel rounding of "MobileNetV2", https://arxiv.org/abs/1801.04381.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def ramp(last: float, steps: int) -> list[float]:
    """`steps` numbers rising evenly from 0 to `last`: drop-path rates over the depth of a network."""
    return [last * i / max(1, steps - 1) for i in range(steps)]


class DropPath(nn.Module):
    """Stochastic depth: in training, zero the whole residual branch of an image with probability `rate`.

    (N, ...) -> (N, ...); kept branches are scaled by 1 / (1 - rate). Paper: https://arxiv.org/abs/1603.09382.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask.div_(keep) if keep > 0.0 else x * mask

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class ConvNormAct(nn.Sequential):
    """Convolution without bias, BatchNorm, activation: keys 0.* and 1.*; (N, C, H, W) -> (N, C', H', W').

    Padding keeps the size at stride 1. `activation` is a class such as nn.ReLU6, or None for a linear layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        padding = (kernel_size - 1) // 2
        layers = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
            norm(out_channels),
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


def init_kaiming_fan_out(module: nn.Module) -> None:
    """For `network.apply`: He-normal convolutions over the fan out, as the ResNets of torchvision."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def global_average_pool(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C)."""
    return torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)


def init_linear_normal(module: nn.Module) -> None:
    """For `network.apply`: linear layers N(0, 0.01) with zero biases, as the VGGs and MobileNets of torchvision."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


class SqueezeExcitation(nn.Module):
    """x * gate(fc2(activation(fc1(mean of x over its positions)))): keys fc1.* and fc2.*; (N, C, H, W) -> same.

    Paper: https://arxiv.org/abs/1709.01507; `activation` and `gate` are classes.
    """

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        activation: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = activation(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(x, 1)  # (N, C, 1, 1)
        return x * self.gate(self.fc2(self.activation(self.fc1(pooled))))


class ConvBNReLU(nn.Sequential):
    """Convolution without bias, BatchNorm, ReLU: timm's keys conv.* and bn.*; (N, C, H, W) -> (N, C', H', W').

    Padding keeps the size at stride 1; relu=False leaves the layer linear.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        if relu:
            self.act = nn.ReLU(inplace=True)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a map; (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Linear, GELU, linear over the last axis, each followed by dropout: keys fc1, fc2; (..., C) -> (..., C)."""

    def __init__(self, dim: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.act(self.fc1(x)))
        return self.dropout(self.fc2(x))


def patch_grid(img_size: tuple[int, int], patch: int) -> tuple[int, int]:
    """Rows and columns of patches that cover an image of (height, width)."""
    return -(-img_size[0] // patch), -(-img_size[1] // patch)


class PatchEmbed(nn.Module):
    """A linear map of every patch of an image: key proj; (N, 3, H, W) -> (N, dim, rows, columns) of `patch_grid`.

    Images that are no whole number of patches are filled up with zeros at the bottom and on the right.
    """

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        below, right = -x.shape[-2] % self.patch, -x.shape[-1] % self.patch
        if below or right:
            x = nn.functional.pad(x, (0, right, 0, below))
        return self.proj(x)


def check_exact_img_size(size: Sequence[int], built_for: tuple[int, int]) -> None:
    """Raises ValueError if the images differ in (height, width) from those that the parameters were made for."""
    if tuple(size) != tuple(built_for):
        raise ValueError(
            f"images of {size[0]}x{size[1]} do not fit: this network was built for {built_for[0]}x{built_for[1]}; "
            f"create_model(..., img_size=({size[0]}, {size[1]})) builds one for them"
        )


def square_side(count: int, what: str) -> int:
    """The side of the square that `count` entries fill. Raises ValueError, naming them `what`, if there is none."""
    side = math.isqrt(max(count, 0))
    if side < 1 or side * side != count:
        raise ValueError(f"{what}: {count} positions are no square grid, so their rows and columns are unknown")
    return side


def grid_of_table(
    count: int, what: str, own: tuple[int, int], known: tuple[int, int] | None
) -> tuple[tuple[int, int], str]:
    """(rows, columns) of the `count` positions that a file has a table for, and what to say where that is a guess.

    own: of the network, which a table of as many positions is taken to be for where nothing says more: it may come
    from this very network.  known: of the images that the file was made for, where it says so.
    Raises ValueError, naming the table `what`, where the count contradicts it, or is no square's and not its own.
    """
    if known is not None:
        if known[0] * known[1] != count:
            shape = f"{known[0]}x{known[1]}"
            raise ValueError(f"{what}: {count} positions are not those of the {shape} grid that the file was made for")
        return known, ""
    if own[0] * own[1] != count:
        side = square_side(count, what)
        return (side, side), ", taken as square, as the file does not say"
    side = math.isqrt(count)
    both_fit = own[0] != own[1] and side * side == count
    return own, f"taken as the network's, not as square, which the {count} positions fit too" if both_fit else ""


def size_of_square(patches: int, patch: int) -> tuple[int, int] | None:
    """(height, width) of a square image of so many patches of `patch` x `patch` pixels; None if none has as many."""
    side = math.isqrt(max(patches, 0))
    return (side * patch, side * patch) if side > 0 and side * side == patches else None


def init_linear_trunc_normal(module: nn.Module) -> None:
    """For `network.apply`: linear layers truncated N(0, 0.02) with zero biases, as the transformers."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
