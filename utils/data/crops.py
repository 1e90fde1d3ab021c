"""A random crop of a picture, decoded no further than it needs, and resized once.

The crop is chosen from the size in the header. A JPEG is then decoded at the smallest scale (1, 1/2, 1/4 or 1/8) at
which the crop still covers what is asked for; corners of crops of large pictures lie on the grid of that scale,
whatever the format, so that a picture from memory gives the same part.
"""

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from .images import decoded_pixels, reduction_to, upright_size

Range = tuple[float, float]
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)  # of "Going deeper with convolutions", https://arxiv.org/abs/1409.4842
TRIES = 10


class Box(NamedTuple):
    top: int
    left: int
    height: int
    width: int

    def divided(self, factor: int) -> "Box":
        return Box(*(value // factor for value in self))

    def on_grid(self, step: int) -> "Box":
        """Sides and corner rounded down to multiples of `step`."""
        return self if step == 1 else Box(*(value // step * step for value in self))


def random_box(size: Sequence[int], random: Random, scale: Range = AREA, ratio: Range = ASPECT) -> Box:
    """A part of a picture of (height, width) `size` that torchvision's RandomResizedCrop could draw as likely.

    scale: the least and the greatest share of the area.  ratio: of width to height.
    """
    height, width = size
    for _ in range(TRIES):
        area = height * width * random.uniform(*scale)
        aspect = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        rows = round(math.sqrt(area / aspect))
        columns = round(math.sqrt(area * aspect))
        if 0 < rows <= height and 0 < columns <= width:
            return Box(random.randint(0, height - rows), random.randint(0, width - columns), rows, columns)
    aspect = min(max(width / height, ratio[0]), ratio[1])  # the largest part in the middle that is no narrower
    rows = max(1, min(height, round(width / aspect)))
    columns = max(1, min(width, round(height * aspect)))
    return Box((height - rows) // 2, (width - columns) // 2, rows, columns)


def random_crop(
    picture: Image.Image | Tensor, size: tuple[int, int], random: Random, scale: Range = AREA, ratio: Range = ASPECT
) -> Tensor:
    """A random part of a picture, resized to (height, width) `size`: (*size, 3) uint8.

    scale, ratio: as `random_box` has them.
    picture: opened, decoded, or (H, W, 3) uint8. Raises ImageError where it cannot be decoded.
    """
    if isinstance(picture, Image.Image) and picture.format != "JPEG":
        picture = decoded_pixels(picture)  # nothing to save, and a PNG may tell behind its pixels that it is turned
    if isinstance(picture, Tensor):
        box = random_box(picture.shape[:2], random, scale, ratio)
        return resized(cut(picture, box.on_grid(reduction_to(box[2:], size))), size)
    upright = upright_size(picture)
    box = random_box(upright, random, scale, ratio)
    reduction = reduction_to(box[2:], size)
    pixels = decoded_pixels(picture, reduction)
    is_reduced = tuple(pixels.shape[:2]) != upright
    return resized(cut(pixels, box.divided(reduction) if is_reduced else box.on_grid(reduction)), size)


def cut(pixels: Tensor, box: Box) -> Tensor:
    """What (H, W, 3) pixels have of `box`, seen as (1, 3, height, width): slicing would take three calls for this one,
    and a call on a small picture costs a sixth of resampling it."""
    (rows, columns, _), (down, right, channel) = pixels.shape, pixels.stride()
    height = min(box.height, rows - box.top)
    width = min(box.width, columns - box.left)
    start = pixels.storage_offset() + box.top * down + box.left * right
    return pixels.as_strided((1, 3, height, width), (height * down, channel, down, right), start)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, H, W) uint8, in memory as pictures are, -> (*size, 3) uint8: bilinear, antialiased, within a level of what
    Pillow gives. (Such memory is channels_last, for which torch is fastest.)"""
    return interpolate(image, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
