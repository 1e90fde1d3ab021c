"""Augmentation of one image in a loading process: crop, flip and policy, and the box that is erased on the device.

Each image draws from a seed of (run, epoch, its index) and each batch from (run, step, rank), so neither the number of
workers nor a resume changes what is drawn.
"""

import math
from dataclasses import dataclass, fields
from random import Random
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..rng import derive_seed
from .crops import AREA, ASPECT, TRIES, Range, random_crop
from .images import decoded_and_size, reduction_to
from .policies import FILLS, POLICIES, Policy, blur, grey, jitter, rotation
from .resizing import fitting, letterboxed

ERASE_SCALE, ERASE_RATIO = (0.02, 0.33), (0.3, 3.3)  # Section 4 of https://arxiv.org/abs/1708.04896
NO_BOX = torch.zeros(4, dtype=torch.int64)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is drawn for an image, by the names of the config's keys. What is 0 draws nothing."""

    img_size: tuple[int, int]
    augment: str
    horizontal_flip: float = 0.0  # chances, all of them
    vertical_flip: float = 0.0
    random_erase_prob: float = 0.0
    grayscale_prob: float = 0.0
    blur_prob: float = 0.0
    rotate: float = 0.0  # degrees, either way
    color_jitter: float = 0.0  # strength, 0..1
    crop_scale: Range = AREA
    crop_ratio: Range = ASPECT
    resize_mode: str = "squash"  # 'letterbox': crops are of the picture between its bars
    pad_value: int = 128
    fill: str = "black"  # of what comes into a picture that is turned or shifted
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)  # which 'mean' is the colour of

    @classmethod
    def from_config(cls, config: Any) -> "Augmentation":
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})

    def steps(self) -> list[tuple[float, Policy]]:
        """(chance, what is done) to the pixels of a crop that is flipped already, one after the other."""
        fill = FILLS[self.fill](self.mean)
        policy = POLICIES[self.augment](fill)
        steps = [
            (float(self.rotate > 0), rotation(self.rotate, fill)),
            (float(policy is not None), policy),
            (float(self.color_jitter > 0), jitter(self.color_jitter)),
            (self.grayscale_prob, grey),
            (self.blur_prob, blur),
        ]
        return [(chance, step) for chance, step in steps if chance and step is not None]


def between_bars(picture: Image.Image | Tensor, size: tuple[int, int], pad_value: int) -> Image.Image:
    """All of a picture in a box of the shape of `size` and twice its sides, from which crops are taken."""
    box = 2 * size[0], 2 * size[1]
    opened = Image.fromarray(picture.numpy()) if isinstance(picture, Tensor) else picture
    image, whole = decoded_and_size(opened, lambda size: reduction_to(size, fitting(size, box)))
    return letterboxed(image, whole, box, Image.Resampling.BILINEAR, pad_value)


class TrainTransform:
    """Crop, flips and policy of one picture, and the box to erase later: all drawn from (seed, epoch, index)."""

    def __init__(self, augmentation: Augmentation, *, seed: int) -> None:
        self.augmentation, self.seed = augmentation, seed
        self.flips = [
            (chance, axis)
            for chance, axis in ((augmentation.horizontal_flip, 1), (augmentation.vertical_flip, 0))
            if chance or axis == 1  # a draw that every run has made from the first
        ]
        self.steps = augmentation.steps()

    def __call__(self, picture: Image.Image, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        """A picture, opened or decoded, -> (H, W, 3) uint8 and an erase box (top, left, height, width), int64, zeros
        for none. Raises ImageError where it cannot be decoded."""
        given, random = self.augmentation, Random(derive_seed("augment", self.seed, epoch, index))
        if given.resize_mode == "letterbox":
            picture = between_bars(picture, given.img_size, given.pad_value)
        pixels = random_crop(picture, given.img_size, random, given.crop_scale, given.crop_ratio)
        for chance, axis in self.flips:
            if random.random() < chance:
                pixels = pixels.flip(axis)
        for chance, step in self.steps:
            if chance == 1 or random.random() < chance:
                pixels = step(pixels, random)
        return pixels, self._erase_box(random)

    def _erase_box(self, random: Random) -> Tensor:
        """As torchvision's RandomErasing draws it: no box where ten tries find none that fits."""
        if random.random() < self.augmentation.random_erase_prob:
            height, width = self.augmentation.img_size
            for _ in range(TRIES):
                area = height * width * random.uniform(*ERASE_SCALE)
                aspect = math.exp(random.uniform(math.log(ERASE_RATIO[0]), math.log(ERASE_RATIO[1])))
                rows = round(math.sqrt(area * aspect))
                columns = round(math.sqrt(area / aspect))
                if rows < height and columns < width:
                    top = random.randint(0, height - rows)
                    left = random.randint(0, width - columns)
                    return torch.tensor((top, left, rows, columns))
        return NO_BOX
