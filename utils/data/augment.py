"""Augmentation of one image in a loading process: crop, flip and policy, and the box that is erased on the device.

Each image draws from a seed of (run, epoch, its index) and each batch from (run, step, rank), so neither the number of
workers nor a resume changes what is drawn.
"""

import math
from random import Random

import torch
from PIL import Image
from torch import Tensor

from ..rng import derive_seed
from .crops import TRIES, random_crop
from .policies import POLICIES

ERASE_SCALE, ERASE_RATIO = (0.02, 0.33), (0.3, 3.3)  # Section 4 of https://arxiv.org/abs/1708.04896
NO_BOX = torch.zeros(4, dtype=torch.int64)


class TrainTransform:
    """Crop, flip and policy of one picture, and the box to erase later: all drawn from (seed, epoch, index)."""

    def __init__(
        self, img_size: tuple[int, int], *, augment: str, horizontal_flip: float, random_erase_prob: float, seed: int
    ) -> None:
        self.img_size, self.horizontal_flip, self.random_erase_prob = img_size, horizontal_flip, random_erase_prob
        self.augment, self.seed = POLICIES[augment](), seed

    def __call__(self, picture: Image.Image, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        """A picture, opened or decoded, -> (H, W, 3) uint8 and an erase box (top, left, height, width), int64, zeros
        for none. Raises ImageError where it cannot be decoded."""
        seed = derive_seed("augment", self.seed, epoch, index)
        random = Random(seed)
        pixels = random_crop(picture, self.img_size, random)
        if random.random() < self.horizontal_flip:
            pixels = pixels.flip(1)
        if self.augment is not None:
            pixels = self.augment(pixels, random)
        return pixels, self._erase_box(random)

    def _erase_box(self, random: Random) -> Tensor:
        """As torchvision's RandomErasing draws it: no box where ten tries find none that fits."""
        if random.random() < self.random_erase_prob:
            height, width = self.img_size
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
