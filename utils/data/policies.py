"""Policies: what is done to the pixels of a crop. An entry of POLICIES is all that a new one needs."""

from collections.abc import Callable
from random import Random

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from .pixels import to_tensor
from .trivial_augment import trivial_augment

BILINEAR = InterpolationMode.BILINEAR
Policy = Callable[[Tensor, Random], Tensor]  # (H, W, 3) uint8 and a source of chance -> the same shape


class OnPicture:
    """A transform of torchvision's, which draws from torch's default generator, in the form of ours."""

    def __init__(self, transform: v2.Transform) -> None:
        self.transform = transform

    def __call__(self, pixels: Tensor, random: Random) -> Tensor:
        torch.default_generator.manual_seed(random.getrandbits(63))
        return to_tensor(self.transform(Image.fromarray(pixels.numpy())))


def _auto_augment(name: str) -> Policy:
    """https://arxiv.org/abs/1805.09501; the policies that were found on a data set."""
    return OnPicture(v2.AutoAugment(v2.AutoAugmentPolicy(name), interpolation=BILINEAR))


# `augment` -> builder of what is done to the pixels of a crop; None: nothing. An entry is all that a new policy needs.
POLICIES: dict[str, Callable[[], Policy | None]] = {
    "simple": lambda: None,
    "ra": lambda: OnPicture(v2.RandAugment(interpolation=BILINEAR)),  # https://arxiv.org/abs/1909.13719
    "tawide": lambda: trivial_augment,  # https://arxiv.org/abs/2103.10158
    "imagenet": lambda: _auto_augment("imagenet"),
    "cifar10": lambda: _auto_augment("cifar10"),
    "svhn": lambda: _auto_augment("svhn"),
}
