"""Augmentation: crop, flip and policy of one image in a worker; erasing and mixing of a batch on the device.

Each image draws from a seed of (run, epoch, its index) and each batch from (run, step, rank), so neither the number of
workers nor a resume changes what is drawn.
"""

import math
from collections.abc import Callable
from random import Random

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from ..rng import derive_seed, generator, seed_cpu
from .crops import TRIES, random_crop
from .preprocess import to_tensor
from .trivial_augment import trivial_augment

MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0  # as the recipes of torchvision's references
ERASE_SCALE, ERASE_RATIO = (0.02, 0.33), (0.3, 3.3)  # Section 4 of https://arxiv.org/abs/1708.04896
NO_BOX = torch.zeros(4, dtype=torch.int64)


def policy(name: str) -> Callable[[Tensor, Random], Tensor] | None:
    """The policy of the config's `augment`: None for 'simple', else one of torchvision's. Papers: arXiv 1909.13719
    (ra), 2103.10158 (tawide), 1805.09501 (imagenet, cifar10, svhn)."""
    if name == "simple":
        return None
    if name == "tawide":
        return trivial_augment
    bilinear = InterpolationMode.BILINEAR
    if name == "ra":
        return OnPicture(v2.RandAugment(interpolation=bilinear))
    return OnPicture(v2.AutoAugment(v2.AutoAugmentPolicy(name), interpolation=bilinear))


class OnPicture:
    """A transform of torchvision's, which draws from torch's default generator, in the form of ours."""

    def __init__(self, transform: v2.Transform) -> None:
        self.transform = transform

    def __call__(self, pixels: Tensor, random: Random) -> Tensor:
        torch.default_generator.manual_seed(random.getrandbits(63))
        return to_tensor(self.transform(Image.fromarray(pixels.numpy())))


class TrainTransform:
    """Crop, flip and policy of one picture, and the box to erase later: all drawn from (seed, epoch, index)."""

    def __init__(
        self, img_size: tuple[int, int], *, augment: str, horizontal_flip: float, random_erase_prob: float, seed: int
    ) -> None:
        self.img_size, self.horizontal_flip, self.random_erase_prob = img_size, horizontal_flip, random_erase_prob
        self.augment, self.seed = policy(augment), seed

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
                rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
                if rows < height and columns < width:
                    top, left = random.randint(0, height - rows), random.randint(0, width - columns)
                    return torch.tensor((top, left, rows, columns))
        return NO_BOX


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Set a rectangle of each image to 0, the mean colour of normalised images, in place; returns `images`.

    images: (N, 3, H, W) float.  boxes: (N, 4) int64 (top, left, height, width) on the CPU; an empty box leaves
    its image alone.
    Paper: "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896.
    """
    for number, (top, left, height, width) in enumerate(boxes.tolist()):
        if height:
            images[number, :, top : top + height, left : left + width] = 0.0
    return images


class Mixer:
    """Mixup or cutmix of a whole batch with chances `mixup_prob` and `cutmix_prob`; at most one of them at a time.

    Chances that add up to more than 1 are scaled down to 1 together. Papers: https://arxiv.org/abs/1710.09412 (mixup),
    https://arxiv.org/abs/1905.04899 (cutmix).
    """

    def __init__(self, num_classes: int, *, mixup_prob: float, cutmix_prob: float, seed: int) -> None:
        self.seed = seed
        self.total = min(1.0, mixup_prob + cutmix_prob)
        self.mixup_share = mixup_prob / (mixup_prob + cutmix_prob) if self.total else 0.0
        self.mixup = v2.MixUp(alpha=MIXUP_ALPHA, num_classes=num_classes)
        self.cutmix = v2.CutMix(alpha=CUTMIX_ALPHA, num_classes=num_classes)

    def __call__(self, images: Tensor, targets: Tensor, *, step: int, part: int, rank: int) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) float and (N,) int64 targets -> the same, or mixed images with (N, K) float targets."""
        kind = self.kind(step=step, part=part, rank=rank)
        if kind is None:
            return images, targets
        seed_cpu("mix box", self.seed, step, part, rank)
        return (self.mixup if kind == "mixup" else self.cutmix)(images, targets)

    def kind(self, *, step: int, part: int, rank: int) -> str | None:
        """'mixup', 'cutmix', or None for a batch that stays as it is."""
        apply, which = torch.rand(2, generator=generator("mix", self.seed, step, part, rank)).tolist()
        if apply >= self.total:
            return None
        return "mixup" if which < self.mixup_share else "cutmix"
