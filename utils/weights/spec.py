"""Which network: its two words, the size of its images, the number of its classes; given, or still to be found out."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models import create_model, native_img_size
from models.arithmetic import Cost, count

from ..errors import WeightsError


@dataclass(frozen=True)
class NetworkSpec:
    """What create_model needs; img_size is (height, width)."""

    prefix: str
    suffix: str
    num_classes: int
    img_size: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.prefix} {self.suffix}"

    def build(self) -> nn.Module:
        """A new network in eval mode. Raises WeightsError if there is none such."""
        try:
            return create_model(self.prefix, self.suffix, self.num_classes, img_size=self.img_size).eval()
        except ValueError as error:
            raise WeightsError(str(error)) from None

    def cost(self) -> Cost:
        """What it holds and computes, for one image. Raises WeightsError if there is none such."""
        try:
            return count(self.prefix, self.suffix, self.num_classes, self.img_size)
        except ValueError as error:
            raise WeightsError(str(error)) from None


@dataclass(frozen=True)
class NetworkOptions:
    """What is said of a network; None is to be found out. At least `prefix` and `suffix`, or `weights`."""

    prefix: str | None = None
    suffix: str | None = None
    num_classes: int | None = None
    weights: Path | None = None
    img_size: tuple[int, int] | None = None
    force: bool = False  # accept weights that seem another network's
    new_head: bool = False  # accept weights without a head, as the caller puts one of its own in its place

    @property
    def names(self) -> tuple[str, str] | None:
        """The two words, or None."""
        return None if self.prefix is None or self.suffix is None else (self.prefix, self.suffix)


def native_size(prefix: str, suffix: str) -> tuple[int, int]:
    try:
        return (native_img_size(prefix, suffix),) * 2
    except ValueError as error:
        raise WeightsError(str(error)) from None
