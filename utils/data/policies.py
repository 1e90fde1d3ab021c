"""Policies: what is done to the pixels of a crop. An entry of POLICIES is all that a new one needs."""

from collections.abc import Callable
from functools import partial
from random import Random

import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ..imports import transforms
from .pixels import to_tensor
from .trivial_augment import BLACK, Colour, trivial_augment

BLUR_RADIUS = (0.1, 2.0)  # pixels
Policy = Callable[[Tensor, Random], Tensor]  # (H, W, 3) uint8 and a source of chance -> the same shape


class OnPicture:
    """A transform of torchvision's, which draws from torch's default generator, in the form of ours."""

    def __init__(self, transform: Callable[[Image.Image], Image.Image]) -> None:
        self.transform = transform

    def __call__(self, pixels: Tensor, random: Random) -> Tensor:
        torch.default_generator.manual_seed(random.getrandbits(63))
        return to_tensor(self.transform(Image.fromarray(pixels.numpy())))


def _drawn(name: str, fill: Colour, *given: object) -> Policy:
    """A transform of torchvision's that turns and shifts pictures."""
    v2 = transforms()
    return OnPicture(getattr(v2, name)(*given, interpolation=v2.InterpolationMode.BILINEAR, fill=list(fill)))


def _auto_augment(name: str, fill: Colour) -> Policy:
    """https://arxiv.org/abs/1805.09501; the policies that were found on a data set."""
    return _drawn("AutoAugment", fill, transforms().AutoAugmentPolicy(name))


def rotation(degrees: float, fill: Colour) -> Policy:
    """By up to so many degrees either way; corners that come in are of the colour `fill`."""
    return _drawn("RandomRotation", fill, degrees)


def jitter(strength: float) -> Policy:
    """Brightness, contrast and saturation, each times 1 - strength .. 1 + strength."""
    return OnPicture(transforms().ColorJitter(strength, strength, strength))


def grey(pixels: Tensor, random: Random) -> Tensor:
    """Three equal channels of brightness."""
    return transforms().functional.rgb_to_grayscale(pixels.permute(2, 0, 1), num_output_channels=3).permute(1, 2, 0)


def solarize(pixels: Tensor, random: Random) -> Tensor:
    """Bright values, 128 and more, inverted."""
    return torch.where(pixels < 128, pixels, 255 - pixels)


def blur(pixels: Tensor, random: Random) -> Tensor:
    """By a Gaussian of a standard deviation of 0.1 to 2 pixels, as in SimCLR, https://arxiv.org/abs/2002.05709."""
    radius = random.uniform(*BLUR_RADIUS)
    return to_tensor(Image.fromarray(pixels.numpy()).filter(ImageFilter.GaussianBlur(radius)))


class ThreeAugment:
    """One of grey, solarized and blurred, then jitter: "DeiT III", https://arxiv.org/abs/2204.07118, Section 3.3.

    (A class, as loading processes that are spawned get it pickled.)
    """

    def __init__(self) -> None:
        self.colours = jitter(0.3)

    def __call__(self, pixels: Tensor, random: Random) -> Tensor:
        return self.colours(random.choice((grey, solarize, blur))(pixels, random), random)


# `augment` -> builder of what is done to the pixels of a crop; None: nothing. An entry is all that a new policy needs.
# The builder is given the colour of what comes into a picture that is turned or shifted.
POLICIES: dict[str, Callable[[Colour], Policy | None]] = {
    "simple": lambda fill: None,
    "ra": partial(_drawn, "RandAugment"),  # https://arxiv.org/abs/1909.13719
    "tawide": lambda fill: partial(trivial_augment, fill=fill),  # https://arxiv.org/abs/2103.10158
    "imagenet": partial(_auto_augment, "imagenet"),
    "cifar10": partial(_auto_augment, "cifar10"),
    "svhn": partial(_auto_augment, "svhn"),
    "augmix": partial(_drawn, "AugMix"),  # https://arxiv.org/abs/1912.02781
    "3augment": lambda fill: ThreeAugment(),
}
# `fill` -> the colour of what comes in, from the `mean` of a config
FILLS: dict[str, Callable[[tuple[float, float, float]], Colour]] = {
    "black": lambda mean: BLACK,
    "mean": lambda mean: tuple(round(255 * value) for value in mean),
}
