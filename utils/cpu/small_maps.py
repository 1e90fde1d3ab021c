"""Convolutions on a CPU where maps are small.

The gradient of the filters is one matrix product: oneDNN takes 10 to 30 times as long for maps of 1x1 or 2x2, which
images of 32x32 become in most networks, and still 1.1 to 1.5 times as long for the 7x7 of images of 224x224. Taps of a
filter that see nothing but padding, eight of the nine on a map of 1x1, are left out of all sums. The rest of the work
stays torch's own.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

from .convolutions import replace_convolutions

LARGEST_MAP = 49  # places of the output; of 8x8 the product took 0.9 to 1.3 times oneDNN's time, of 14x14 it took more
PART_NUMBERS = 2**23  # of the input's windows that are laid out at a time: 32 MB

Pair = tuple[int, int]


class SmallMapConv2d(nn.Conv2d):
    """nn.Conv2d, (N, C, H, W) -> (N, C', H', W'): the same numbers, the same keys, gradients equal up to rounding."""

    kernel_size: Pair
    stride: Pair
    padding: Pair

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "SmallMapConv2d":
        """The same layer: it shares the parameters of `conv`."""
        shape = conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding
        made = cls(*shape, bias=conv.bias is not None, device="meta")  # type: ignore[arg-type]  # all pairs
        made.weight, made.bias = conv.weight, conv.bias
        return made.train(conv.training)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.ndim != 4 or torch.is_autocast_enabled("cpu") or self._places(x) > LARGEST_MAP:
            return super()._conv_forward(x, weight, bias)
        return _Convolution.apply(x, weight, bias, self.stride, self.padding)

    def _places(self, x: Tensor) -> int:
        height, width = (
            (size + 2 * padding - kernel) // stride + 1
            for size, padding, kernel, stride in zip(x.shape[2:], self.padding, self.kernel_size, self.stride)
        )
        return height * width


def seen_taps(size: int, kernel: int, stride: int, padding: int) -> tuple[slice, int]:
    """Along one side: the taps of a filter that ever see one of `size` pixels, and the padding that they need.

    All taps where none sees any, or where those left would need another padding at the end than at the start.
    """
    reach = (size + 2 * padding - kernel) // stride * stride  # from the first place of the filter to the last
    first = max(0, padding - reach)
    end = min(kernel, size + padding)
    needed = padding - first
    if first >= end or (size + 2 * needed - (end - first)) // stride * stride != reach:
        return slice(0, kernel), padding
    return slice(first, end), needed


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
        taps, ctx.padding = zip(*map(seen_taps, x.shape[2:], weight.shape[2:], stride, padding))
        ctx.seen, ctx.stride = (..., *taps), stride
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight[ctx.seen], bias, stride, ctx.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            conv2d_input(x.shape, weight[ctx.seen], grad, ctx.stride, ctx.padding) if of_x else None,
            _weight_gradient(ctx, x, weight, grad) if of_weight else None,
            grad.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _weight_gradient(ctx: Any, x: Tensor, weight: Tensor, grad: Tensor) -> Tensor:
    seen = weight[ctx.seen]
    gradient = filter_gradient(x, grad, seen.shape[2:], ctx.stride, ctx.padding)
    if seen.shape == weight.shape:
        return gradient
    whole = torch.zeros_like(weight)
    whole[ctx.seen] = gradient
    return whole


def filter_gradient(x: Tensor, grad: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair) -> Tensor:
    """(C', C, *kernel) in channels_last, from the input x (N, C, H, W) and the output's gradient (N, C', H', W').

    The window of the input that each place of the output saw becomes a row; gradient^T times rows is what is sought.
    """
    channels, numbers = grad.shape[1], x.shape[1] * kernel[0] * kernel[1]
    images_a_part = max(1, PART_NUMBERS // (numbers * grad.shape[2] * grad.shape[3]))
    total: Tensor | None = None
    for part, part_grad in zip(x.split(images_a_part), grad.split(images_a_part)):
        columns = part_grad.permute(0, 2, 3, 1).reshape(-1, channels).t()
        windows = _windows(part, kernel, stride, padding)
        total = columns @ windows if total is None else total.addmm_(columns, windows)
    assert total is not None  # split gives one part at least
    return total.view(channels, *kernel, x.shape[1]).permute(0, 3, 1, 2)


def _windows(x: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair) -> Tensor:
    """(N H' W', kernel height x kernel width x C)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
    windows = padded.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1])  # N H' W' C kh kw
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)


def speed_up_small_maps(model: nn.Module) -> nn.Module:
    """`model`, whose convolutions on a CPU become SmallMapConv2d in place, but for grouped and dilated ones."""
    replace_convolutions(model, lambda conv: conv.groups == 1 and conv.dilation == (1, 1), SmallMapConv2d.of)
    return model
