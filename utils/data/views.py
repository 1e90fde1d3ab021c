"""Test-time augmentation: a network is shown several views of a picture, and the mean of its probabilities counts.

none    the picture as it is prepared for validation
flip    that and its mirror image
crops5  five parts of img_size of the picture as it is before its middle is cut out: the corners and the middle
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from .preprocess import Preprocess, middle_of


@dataclass(frozen=True)
class _Surroundings(Preprocess):
    """Crops `img_size` around the crop of `inner` that validation sees, which is the middle of both."""

    inner: tuple[int, int] = (0, 0)  # (height, width)

    def corner(self, size: tuple[int, int]) -> tuple[int, int]:
        """Not the middle of the picture, as halves would be rounded twice: once here, once within the crop."""
        seen = middle_of(size, self.inner)
        within = middle_of(self.img_size, self.inner)
        return seen[0] - within[0], seen[1] - within[1]


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
        steps = self.preprocess
        if self.tta != "crops5":
            return steps
        return _Surroundings(**{**vars(steps), "img_size": steps.val_resize}, inner=steps.img_size)

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
    whole = images.shape[height], images.shape[height + 1]
    bottom, right = whole[0] - size[0], whole[1] - size[1]
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle_of(whole, size)]
    return [images.narrow(height, top, size[0]).narrow(height + 1, left, size[1]) for top, left in corners]


def mean_probabilities(logits: Sequence[Tensor], temperature: float = 1.0) -> Tensor:
    """Of each view (N, K) logits -> (N, K)."""
    shares = [(each / temperature).softmax(1) for each in logits]
    return shares[0] if len(shares) == 1 else torch.stack(shares).mean(0)
