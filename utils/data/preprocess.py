"""From a picture to what a network sees when it is asked, not taught: one path for validation and prediction."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from PIL import Image
from torch import Tensor

from .images import decode, reduction_to, upright_size
from .pixels import to_tensor

INTERPOLATION = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Preprocess:
    """Resize to `val_resize`, centre-crop `img_size`, then (x / 255 - mean) / std. Sizes are (height, width)."""

    img_size: tuple[int, int]
    val_resize: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"  # antialiased
    dct_scaling: bool = False  # decode large JPEGs at the smallest scale that covers val_resize; older runs did not

    @classmethod
    def from_config(cls, config: Any) -> "Preprocess":
        return cls(config.img_size, config.val_resize, config.mean, config.std, dct_scaling=True)

    def resized(self, img_size: tuple[int, int]) -> "Preprocess":
        """The same for images of another size: what is cropped away keeps its share."""
        sides = zip(img_size, self.val_resize, self.img_size)
        height, width = (round(new * old / crop) for new, old, crop in sides)
        return replace(self, img_size=img_size, val_resize=(height, width))

    def to_plain(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def __call__(self, picture: Image.Image | Tensor) -> Tensor:
        """A picture, opened, decoded or (H, W, 3) uint8, -> (H, W, 3) uint8. Raises ImageError if it is damaged."""
        picture = Image.fromarray(picture.numpy()) if isinstance(picture, Tensor) else picture
        image = decode(picture, self.reduction(upright_size(picture)))
        (height, width), (crop_height, crop_width) = self.val_resize, self.img_size
        image = image.resize((width, height), INTERPOLATION[self.interpolation])
        top = round((height - crop_height) / 2)
        left = round((width - crop_width) / 2)
        return to_tensor(image.crop((left, top, left + crop_width, top + crop_height)))

    def reduction(self, size: tuple[int, int]) -> int:
        """By how much a picture of (height, width) `size` is reduced when it is decoded, if it can be."""
        return reduction_to(size, self.val_resize) if self.dct_scaling else 1
