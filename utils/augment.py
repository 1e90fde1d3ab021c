"""Augmentation: crop, flip and policy of one image in a worker; erasing and mixing of a batch on the device.

Each image draws from a seed of (run, epoch, its index) and each batch from (run, step, rank), so neither the number of
workers nor a resume changes what is drawn.
"""

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomErasing, v2

from .preprocess import to_tensor
from .rng import generator, seed_cpu

MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0  # as the recipes of torchvision's references
ERASE_SCALE, ERASE_RATIO = (0.02, 0.33), (0.3, 3.3)  # Section 4 of https://arxiv.org/abs/1708.04896


def policy(name: str) -> list[v2.Transform]:
    """The policy of the config's `augment`: [] for 'simple', else one of torchvision's. Papers: arXiv 1909.13719 (ra),
    2103.10158 (tawide), 1805.09501 (imagenet, cifar10, svhn)."""
    if name == "simple":
        return []
    bilinear = InterpolationMode.BILINEAR
    if name == "ra":
        return [v2.RandAugment(interpolation=bilinear)]
    if name == "tawide":
        return [v2.TrivialAugmentWide(interpolation=bilinear)]
    return [v2.AutoAugment(v2.AutoAugmentPolicy(name), interpolation=bilinear)]


class TrainTransform:
    """Crop, flip and policy of one picture, and the box to erase later: all drawn from (seed, epoch, index)."""

    def __init__(
        self, img_size: tuple[int, int], *, augment: str, horizontal_flip: float, random_erase_prob: float, seed: int
    ) -> None:
        self.random_erase_prob, self.seed = random_erase_prob, seed
        steps = [v2.RandomResizedCrop(img_size, antialias=True)]
        if horizontal_flip > 0:
            steps.append(v2.RandomHorizontalFlip(horizontal_flip))
        self.steps = [*steps, *policy(augment)]

    def __call__(self, image: Image.Image, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        """An RGB picture -> (H, W, 3) uint8 and an erase box (top, left, height, width), int64, zeros for none."""
        seed_cpu("augment", self.seed, epoch, index)
        for step in self.steps:
            image = step(image)
        pixels = to_tensor(image)
        return pixels, self._erase_box(pixels)

    def _erase_box(self, pixels: Tensor) -> Tensor:
        if self.random_erase_prob == 0 or torch.rand(()) >= self.random_erase_prob:
            return torch.zeros(4, dtype=torch.int64)
        view = pixels.permute(2, 0, 1)
        *box, _ = RandomErasing.get_params(view, scale=ERASE_SCALE, ratio=ERASE_RATIO, value=[0.0])
        whole = box[2:] == list(view.shape[1:])  # what get_params returns when no box fits
        return torch.zeros(4, dtype=torch.int64) if whole else torch.tensor(box)


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Set a rectangle of each image to 0, the mean colour of normalised images.

    images: (N, 3, H, W) float.  boxes: (N, 4) int64 (top, left, height, width); an empty box leaves its image alone.
    Paper: "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896.
    """
    top, left, height, width = boxes[:, :, None].unbind(1)  # each (N, 1)
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    inside_rows = (rows >= top) & (rows < top + height)  # (N, H)
    inside_columns = (columns >= left) & (columns < left + width)  # (N, W)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]  # (N, H, W)
    return images.clone().masked_fill_(inside[:, None], 0.0)  # a clone keeps the memory format


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
