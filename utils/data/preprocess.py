"""From a picture to what a network sees when it is asked, not taught: one path for validation and prediction."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from PIL import Image
from torch import Tensor

from .images import decoded_and_size, reduction_to
from .pixels import to_tensor
from .resizing import covering, fitting, letterboxed, trimmed

TTA = ("none", "flip", "crops5")  # words for the views that a network is shown of a picture: views.py
INTERPOLATION = {word: Image.Resampling[word.upper()] for word in ("nearest", "bilinear", "bicubic")}


def middle_of(size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
    """(top, left) of a crop in the middle; both are (height, width)."""
    return round((size[0] - crop[0]) / 2), round((size[1] - crop[1]) / 2)


@dataclass(frozen=True)
class Preprocess:
    """Resize to `val_resize`, centre-crop `img_size`, then (x / 255 - mean) / std. Sizes are (height, width).

    resize_mode: as resizing.py has it; 'letterbox' brings the whole picture into `img_size`.
    """

    img_size: tuple[int, int]
    val_resize: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"  # antialiased
    dct_scaling: bool = False  # decode large JPEGs at the smallest scale that covers val_resize; older runs did not
    resize_mode: str = "squash"
    pad_value: int = 128  # of the bars of 'letterbox'

    @classmethod
    def from_config(cls, config: Any) -> "Preprocess":
        names = "img_size", "val_resize", "mean", "std", "interpolation", "resize_mode", "pad_value"
        return cls(**{name: getattr(config, name) for name in names}, dct_scaling=True)

    def resized(self, img_size: tuple[int, int]) -> "Preprocess":
        """The same for images of another size: what is cropped away keeps its share."""
        sides = zip(img_size, self.val_resize, self.img_size)
        height, width = (round(new * old / crop) for new, old, crop in sides)
        return replace(self, img_size=img_size, val_resize=(height, width))

    def to_plain(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def __call__(self, picture: Image.Image | Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """A picture, opened, decoded or (H, W, 3) uint8, -> (H, W, 3) uint8. Raises ImageError if it is damaged.

        size: (height, width) of the file, where a decoded picture has been reduced.
        """
        picture = Image.fromarray(picture.numpy()) if isinstance(picture, Tensor) else picture
        whole, found = decoded_and_size(picture, self.reduction)
        image = self._resized(whole, size or found)
        top, left = self.corner((image.height, image.width))
        height, width = self.img_size
        return to_tensor(image.crop((left, top, left + width, top + height)))

    def corner(self, size: tuple[int, int]) -> tuple[int, int]:
        """(top, left) of the crop in a resized picture of (height, width) `size`."""
        return middle_of(size, self.img_size)

    def _resized(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """size: of the picture, which may have been decoded smaller."""
        resample = INTERPOLATION[self.interpolation]
        if self.resize_mode == "letterbox":
            return letterboxed(image, size, self.img_size, resample, self.pad_value)
        if self.resize_mode == "shortest":
            whole = image
            image = trimmed(whole)
            size = size if image is whole else (image.height, image.width)
        height, width = self._target(size)
        return image.resize((width, height), resample)

    def _target(self, size: tuple[int, int]) -> tuple[int, int]:
        """What a picture of this size is resized to, before it is cropped or given bars."""
        if self.resize_mode == "letterbox":
            return fitting(size, self.img_size)
        return self.val_resize if self.resize_mode == "squash" else covering(size, self.val_resize)

    def reduction(self, size: tuple[int, int]) -> int:
        """By how much a picture of (height, width) `size` is reduced when it is decoded, if it can be."""
        return reduction_to(size, self._target(size)) if self.dct_scaling else 1
