"""AdderNet: "Do We Really Need Multiplications in Deep Learning?", https://arxiv.org/abs/1912.13200.

State-dict keys: the authors'. A ResNet-50 whose filters answer with -(sum of |x - w|) instead of the sum of x * w, in
every layer but the first convolution and the classifier. Key map: as resnet, with `adder` for the weight of an adder
layer (conv1, conv2, conv3, downsample.0); fc is a 1x1 convolution and bn2 the norm of the logits.
Reference: resnet50.py and adder.py of https://github.com/huawei-noah/AdderNet. Public weights: ResNet50-AdderNet.pth,
linked there (every key with `module.` in front), BSD-3-Clause.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from itertools import product

import torch
from torch import Tensor, nn

from .adder_ops import clipped_gradient, distance_sums, distances
from .layers import global_average_pool
from .registry import register
from .resnet import PARTS, make_stages

VARIANTS = {"50": dict(depths=(3, 4, 6, 3))}  # resnet50.py of the authors

ETA = 0.2  # equation 13 of the paper, chosen by the authors
UNFOLDED = {"cpu": 2**22, "cuda": 2**24}  # numbers of unfolded windows at once at most, but one image at least


@dataclass(frozen=True)
class Window:
    """What a layer sees of (N, C, H, W) at each of its H' x W' places, with zeros around the image."""

    kernel: int
    stride: int
    padding: int

    def output_size(self, shape: torch.Size) -> tuple[int, int]:
        """(H', W') of a (N, C, H, W) shape."""
        height, width = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in shape[2:])
        return height, width

    def images(self, x: Tensor) -> int:
        """How many images of x to unfold at once."""
        height, width = self.output_size(x.shape)
        most = UNFOLDED.get(x.device.type, UNFOLDED["cuda"])
        return max(1, most // (height * width * self.kernel * x.shape[1])) if self.kernel > 1 else len(x)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split(self.images(x))

    def unfold(self, x: Tensor) -> Iterator[Tensor]:
        """For each row of the kernel, what lies under it at each place: k times (N * H' * W', k * C).

        Channels come last: those of images stored in this order are copied in long runs, or not at all if k is 1.
        """
        height, _ = self.output_size(x.shape)
        x = precise(x).permute(0, 2, 3, 1)
        if self.padding:
            x = nn.functional.pad(x, (0, 0, *(4 * (self.padding,))))
        for i in range(self.kernel):
            lines = x[:, i :: self.stride][:, :height].unfold(2, self.kernel, self.stride)  # (N, H', W', C, k)
            yield lines.transpose(3, 4).flatten(3).flatten(0, 2)

    def fold(self, parts: Sequence[Tensor], shape: torch.Size) -> Tensor:
        """What `unfold` spread out, summed up again: k times (N * H' * W', k * C) -> (N, C, H, W) of `shape`."""
        images, channels, *sides = shape
        height, width = self.output_size(shape)
        parts = [part.view(images, height, width, self.kernel, channels) for part in parts]
        if self.kernel == self.stride == 1 and not self.padding:
            return parts[0][:, :, :, 0].permute(0, 3, 1, 2)
        out = parts[0].new_zeros(images, *(side + 2 * self.padding for side in sides), channels)
        for i, j in product(range(self.kernel), repeat=2):
            out[:, i :: self.stride, j :: self.stride][:, :height, :width] += parts[i][:, :, :, j]
        out = out[:, self.padding :, self.padding :].narrow(1, 0, sides[0]).narrow(2, 0, sides[1])
        return out.permute(0, 3, 1, 2)


def adder2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """-(sum of |x - w|) over each window: (N, C, H, W), (O, C, k, k) -> (N, O, H', W'), the shape of a convolution.

    Computes in float32 (float64 if both are), also under autocast. The gradients are those of the paper and not the
    derivatives, sections 3.2 and 3.3: x - w for the weight, then scaled to the norm ETA * sqrt(number of weights)
    whatever the loss was multiplied by; w - x clipped to -1..1 for x.
    """
    if is_exporting():
        return exported(x, weight, Window(weight.shape[-1], stride, padding))
    return AdderFunction.apply(x, weight, stride, padding)


class AdderFunction(torch.autograd.Function):
    """See `adder2d`. Keeps x and the weight for the backward pass; unfolds one row of the kernel at a time."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.window = window = Window(weight.shape[-1], stride, padding)
        with without_autocast(x.device.type):
            filters, out = kernel_rows(weight), []
            distance = partial(distances, training=any(ctx.needs_input_grad))
            for part in window.split(x):
                out.append(reduce(torch.add, map(distance, window.unfold(part), filters)))
        out = joined(out).unflatten(0, (len(x), *window.output_size(x.shape))).permute(0, 3, 1, 2)
        return out.to(torch.promote_types(x.dtype, weight.dtype))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        (x, weight), window = ctx.saved_tensors, ctx.window
        with without_autocast(x.device.type):
            filters, grad_x = kernel_rows(weight), []
            products = torch.zeros_like(filters)
            sums = filters.new_zeros(len(weight))
            for part, part_grad in zip(window.split(x), grad.split(window.images(x))):
                row_grads = precise(part_grad).permute(0, 2, 3, 1).flatten(0, 2)  # (windows, O)
                sums = sums + row_grads.sum(0)
                clipped = []
                for i, rows in enumerate(window.unfold(part)):
                    products[i].addmm_(row_grads.T, rows)
                    if ctx.needs_input_grad[0]:
                        clipped.append(clipped_gradient(rows, filters[i], row_grads))
                if clipped:
                    grad_x.append(window.fold(clipped, part.shape).to(x.dtype))
            grad_weight = products - sums[:, None] * filters  # the sum of grad * (x - w)
            grad_weight *= ETA * filters.numel() ** 0.5 / grad_weight.norm().clamp(min=1e-12)
        grad_weight = grad_weight.unflatten(2, (-1, weight.shape[1])).permute(1, 3, 0, 2)
        return joined(grad_x) if grad_x else None, grad_weight.to(weight.dtype), None, None


def exported(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """`adder2d` without its gradients, in operators that every reader of exported networks knows."""
    height, width = window.output_size(x.shape)
    tile = next(count for count in range(8, 0, -1) if width % count == 0)  # divides the windows of any batch
    rows = (part.unflatten(0, (-1, tile)) for part in window.unfold(x))
    out = reduce(torch.add, map(distance_sums, rows, kernel_rows(weight).transpose(1, 2)[:, None]))
    out = out.reshape(-1, height, width, len(weight)).permute(0, 3, 1, 2)
    return out.to(torch.promote_types(x.dtype, weight.dtype))


def is_exporting() -> bool:
    """Whether torch.export traces this; early releases do not say."""
    return hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting()


def kernel_rows(weight: Tensor) -> Tensor:
    """The filters of each row of the kernel, channels last as in `Window.unfold`: (O, C, k, k) -> (k, O, k * C)."""
    return precise(weight).permute(2, 0, 3, 1).flatten(2)


def joined(parts: list[Tensor]) -> Tensor:
    """One tensor of all, without a copy if it is one already."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def precise(x: Tensor) -> Tensor:
    """float32 in place of half precision: sums of hundreds of distances need it."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def without_autocast(device_type: str) -> AbstractContextManager:
    """Autocast off, where the kind of device knows autocast at all."""
    if torch.amp.is_autocast_available(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


class Adder2d(nn.Module):
    """A layer of adder filters, without bias; (N, C, H, W) -> (N, O, H / stride, W / stride)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.padding = kernel // 2
        self.adder = nn.Parameter(torch.empty(out_channels, in_channels, kernel, kernel))
        nn.init.normal_(self.adder)

    def forward(self, x: Tensor) -> Tensor:
        return adder2d(x, self.adder, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"{tuple(self.adder.shape)}, stride={self.stride}"


class Bottleneck(nn.Module):
    """relu(shortcut(x) + adder1x1(adder3x3(adder1x1(x)))); (N, C, H, W) -> (N, 4 * width, H / stride, W / stride)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = Adder2d(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Adder2d(width, width, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = Adder2d(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                Adder2d(in_channels, out_channels, 1, stride=stride), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)


@register(
    "addernet",
    VARIANTS,
    **{**PARTS, "head": "fc bn2"},
    loss_scaling=False,  # the adders' gradients have the same norm whatever the loss is multiplied by
    reference="huawei-noah/AdderNet",
)
class AdderNet(nn.Module):
    """(N, 3, H, W) images -> (N, num_classes) logits, which are normalised: training needs two images a batch."""

    def __init__(self, depths: tuple[int, ...], *, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = make_stages(Bottleneck, depths)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Conv2d(512 * Bottleneck.expansion, num_classes, 1)
        self.bn2 = nn.BatchNorm2d(num_classes)
        for layer in (self.conv1, self.fc):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        x = global_average_pool(x)[:, :, None, None]
        return self.bn2(self.fc(x)).flatten(1)
