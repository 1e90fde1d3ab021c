"""Pictures as tensors: bytes as they travel, and the normalised numbers that a network sees."""

from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture -> (H, W, 3) uint8 of its own memory."""
    return torch.from_numpy(np.array(image))


def normalise(
    images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], *, channels_last: bool = False
) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32, (x / 255 - mean) / std, on the device of `images`.

    Batches travel as N, H, W, C because that is how pictures lie in memory and, seen as N, C, H, W, is the
    channels_last format already.
    """
    rows, width = images.flatten(2), images.shape[2]  # (N, H, 3W): long rows are what vector instructions like
    shift, scale = (_row_of(values, width, images.device) for values in (mean, std))
    normalised = rows.to(torch.float32).sub_(shift).div_(scale).view(images.shape).permute(0, 3, 1, 2)
    return normalised if channels_last else normalised.contiguous()


def denormalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The inverse of `normalise`, to look at what a network sees: (N, 3, H, W) float -> (N, H, W, 3) uint8."""
    shift = torch.tensor(mean, device=images.device) * 255
    scale = torch.tensor(std, device=images.device) * 255
    return (images.permute(0, 2, 3, 1) * scale + shift).round().clamp(0, 255).to(torch.uint8)


@lru_cache
def _row_of(values: tuple[float, ...], width: int, device: torch.device) -> Tensor:
    """(3 * width,): a value of each channel, on the scale of 0..255, for every pixel of a row.

    Kept, because to send numbers to a GPU is to wait for all that it has still to do.
    """
    return (torch.tensor(values, device=device) * 255).repeat(width)
