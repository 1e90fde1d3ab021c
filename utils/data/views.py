"""Test-time augmentation: a network is shown several views of a picture, and the mean of its probabilities counts.

none    the picture as it is prepared for validation
flip    that and its mirror image
crops5  five parts of img_size of the picture as it is before its middle is cut out: the corners and the middle
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ConfigError
from .preprocess import Preprocess


@dataclass(frozen=True)
class Views:
    """Raises ConfigError where `tta` means nothing to how pictures are prepared."""

    tta: str  # one of preprocess.TTA
    preprocess: Preprocess  # for one view

    def __post_init__(self) -> None:
        steps = self.preprocess
        if self.tta == "crops5" and (steps.resize_mode == "letterbox" or steps.val_resize == steps.img_size):
            why = "shows whole pictures" if steps.resize_mode == "letterbox" else "has val_resize = img_size"
            raise ConfigError(
                "tta", [f"'crops5' has nothing to cut off, as the preprocessing {why}; 'flip' has an effect"]
            )

    @property
    def reads(self) -> Preprocess:
        """How pictures are prepared for `of`."""
        return (
            replace(self.preprocess, img_size=self.preprocess.val_resize) if self.tta == "crops5" else self.preprocess
        )

    @property
    def plain(self) -> int:
        """Which of the views is the picture as validation shows it."""
        return -1 if self.tta == "crops5" else 0

    def of(self, images: Tensor, height: int) -> list[Tensor]:
        """The views of a batch that was prepared as `reads` has it. height: its axis; that of the width follows."""
        if self.tta == "flip":
            return [images, images.flip(height + 1)]
        return _five_crops(images, height, self.preprocess.img_size) if self.tta == "crops5" else [images]


def _five_crops(images: Tensor, height: int, size: tuple[int, int]) -> list[Tensor]:
    bottom, right = (images.shape[height + axis] - size[axis] for axis in (0, 1))
    middle = round(bottom / 2), round(right / 2)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle]
    return [images.narrow(height, top, size[0]).narrow(height + 1, left, size[1]) for top, left in corners]


def mean_probabilities(logits: Sequence[Tensor], temperature: float = 1.0) -> Tensor:
    """Of each view (N, K) logits -> (N, K)."""
    shares = [(each / temperature).softmax(1) for each in logits]
    return shares[0] if len(shares) == 1 else torch.stack(shares).mean(0)
