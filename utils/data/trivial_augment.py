"""TrivialAugmentWide: one operation of a random strength. Paper: https://arxiv.org/abs/2103.10158.

Operations, strengths and chances are those of torchvision's v2.TrivialAugmentWide, and so are the pixels, to within a
level. Each operation takes the fastest way there is on a CPU: a shift is a copy, what changes values one by one is a
table, the rest is Pillow's.
"""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from random import Random

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

BINS = 31  # strengths of an operation, evenly spaced
BILINEAR = Image.Resampling.BILINEAR
Operation = Callable[[Tensor, float], Tensor]  # pixels and a strength -> pixels
Colour = tuple[int, ...]  # a level of 0..255 for each channel
BLACK: Colour = (0, 0, 0)


def trivial_augment(pixels: Tensor, random: Random, fill: Colour = BLACK) -> Tensor:
    """One of the operations, each as likely, on (H, W, 3) uint8; the result may share the memory of `pixels`.

    fill: the colour of what comes into a picture that is sheared, shifted or turned.
    """
    drawn = operations(fill)
    function, choices, signed = drawn[random.randrange(len(drawn))]
    strength = choices[random.randrange(BINS)]
    return function(pixels, -strength if signed and random.random() <= 0.5 else strength)


def identity(pixels: Tensor, strength: float) -> Tensor:
    return pixels


def translate(pixels: Tensor, strength: float, *, axis: int, fill: Colour) -> Tensor:
    """Shift by so many pixels, towards the end of the axis."""
    size, shift = pixels.shape[axis], int(strength)
    moved = _ground(pixels.shape, fill).clone()
    kept = max(0, size - abs(shift))
    moved.narrow(axis, max(0, min(shift, size)), kept).copy_(pixels.narrow(axis, max(0, min(-shift, size)), kept))
    return moved


@lru_cache(maxsize=8)
def _ground(shape: tuple[int, ...], fill: Colour) -> Tensor:
    """A picture of one colour, kept as it is: to copy it is faster than to fill one anew."""
    return torch.tensor(fill, dtype=torch.uint8).expand(shape).contiguous()


def posterize(pixels: Tensor, strength: float) -> Tensor:
    """Keep the upper 8 - strength bits."""
    return pixels & (256 - 2 ** round(strength))


def solarize(pixels: Tensor, strength: float) -> Tensor:
    """Invert what is no darker than `strength`, a share of white."""
    values = np.arange(256)
    return _by_table(pixels, np.where(values >= 255 * strength, 255 - values, values))


def brightness(pixels: Tensor, strength: float) -> Tensor:
    return _blended_with(0, pixels, strength)


def contrast(pixels: Tensor, strength: float) -> Tensor:
    grey = np.asarray(Image.fromarray(pixels.numpy()).convert("L"))
    return _blended_with(int(grey.mean() + 0.5), pixels, strength)


def _blended_with(level: int, pixels: Tensor, strength: float) -> Tensor:
    """level + (1 + strength) * (pixels - level), within 0..255."""
    values = level + (1 + strength) * (np.arange(256) - level)
    return _by_table(pixels, values.clip(0, 255))


def _by_table(pixels: Tensor, table: np.ndarray) -> Tensor:
    """table: the new value, rounded down, of each of 0..255."""
    values = torch.from_numpy(table.astype(np.uint8))
    return values.index_select(0, pixels.reshape(-1).int()).view(pixels.shape)


def on_picture(function: Callable[[Image.Image, float], Image.Image]) -> Operation:
    """What `function` does to a picture of Pillow's, on pixels."""

    def on_pixels(pixels: Tensor, strength: float) -> Tensor:
        return torch.from_numpy(np.array(function(Image.fromarray(pixels.numpy()), strength)))

    return on_pixels


def enhance(picture: Image.Image, strength: float, *, kind: type) -> Image.Image:
    """kind: one of Pillow's enhancers; a strength of 0 changes nothing, -1 goes all the way to its other picture."""
    return kind(picture).enhance(1 + strength)


def shear(picture: Image.Image, strength: float, *, horizontal: bool, fill: Colour) -> Image.Image:
    """Shift each row by `strength` times its distance from the top, or each column from the left."""
    matrix = (1, strength, 0, 0, 1, 0) if horizontal else (1, 0, 0, strength, 1, 0)  # from the result to the picture
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, BILINEAR, fillcolor=fill)


def rotate(picture: Image.Image, strength: float, *, fill: Colour) -> Image.Image:
    """By so many degrees, counter-clockwise, around the middle."""
    return picture.rotate(strength, BILINEAR, fillcolor=fill)


def autocontrast(picture: Image.Image, strength: float) -> Image.Image:
    return ImageOps.autocontrast(picture)


def equalize(picture: Image.Image, strength: float) -> Image.Image:
    return ImageOps.equalize(picture)


def strengths(weakest: float, strongest: float) -> list[float]:
    """Evenly spaced in float32, as torchvision's are: some lie on the edge of an integer."""
    return torch.linspace(weakest, strongest, BINS).tolist()


@cache
def operations(fill: Colour) -> list[tuple[Operation, list[float], bool]]:
    """(operation, its strengths, whether the sign is drawn too), in torchvision's order."""
    return [
        (identity, strengths(0, 0), False),
        (on_picture(partial(shear, horizontal=True, fill=fill)), strengths(0, 0.99), True),
        (on_picture(partial(shear, horizontal=False, fill=fill)), strengths(0, 0.99), True),
        (partial(translate, axis=1, fill=fill), strengths(0, 32), True),
        (partial(translate, axis=0, fill=fill), strengths(0, 32), True),
        (on_picture(partial(rotate, fill=fill)), strengths(0, 135), True),
        (brightness, strengths(0, 0.99), True),
        (on_picture(partial(enhance, kind=ImageEnhance.Color)), strengths(0, 0.99), True),
        (contrast, strengths(0, 0.99), True),
        (on_picture(partial(enhance, kind=ImageEnhance.Sharpness)), strengths(0, 0.99), True),
        (posterize, strengths(0, 6), False),
        (solarize, strengths(1, 0), False),
        (on_picture(autocontrast), strengths(0, 0), False),
        (on_picture(equalize), strengths(0, 0), False),
    ]
