"""What happens to a whole batch on the device: rectangles erased, images mixed.

Each batch draws from a seed of (run, step, part, rank), so a resume changes nothing.
"""

import torch
from torch import Tensor

from ..imports import transforms
from ..rng import generator, seed_cpu

MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0  # as the recipes of torchvision's references


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Set a rectangle of each image to 0, the mean colour of normalised images, in place; returns `images`.

    images: (N, 3, H, W) float.  boxes: (N, 4) int64 (top, left, height, width) on the CPU; an empty box leaves
    its image alone.
    Paper: "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896.
    """
    if images.device.type != "cpu":
        return images.masked_fill_(_inside(boxes, images), 0.0) if boxes.any() else images
    for number, (top, left, height, width) in enumerate(boxes.tolist()):
        if height:
            images[number, :, top : top + height, left : left + width] = 0.0
    return images


def _inside(boxes: Tensor, images: Tensor) -> Tensor:
    """(N, 1, H, W): which pixels lie in the box of their image; a few kernels, rather than one an image."""
    top, left, height, width = boxes.to(images.device, non_blocking=True)[:, :, None].unbind(1)  # (N, 1) each
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[2:])
    within_rows, within_columns = (rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width)
    return within_rows[:, None, :, None] & within_columns[:, None, None, :]


class Mixer:
    """Mixup or cutmix of a whole batch with chances `mixup_prob` and `cutmix_prob`; at most one of them at a time.

    Chances that add up to more than 1 are scaled down to 1 together. Papers: https://arxiv.org/abs/1710.09412 (mixup),
    https://arxiv.org/abs/1905.04899 (cutmix).
    """

    def __init__(self, num_classes: int, *, mixup_prob: float, cutmix_prob: float, seed: int) -> None:
        self.seed = seed
        self.total = min(1.0, mixup_prob + cutmix_prob)
        self.mixup_share = mixup_prob / (mixup_prob + cutmix_prob) if self.total else 0.0
        self.mixup = transforms().MixUp(alpha=MIXUP_ALPHA, num_classes=num_classes)
        self.cutmix = transforms().CutMix(alpha=CUTMIX_ALPHA, num_classes=num_classes)

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
