"""What the file of a family says of its networks, for those who train, load, explain or list them."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from torch import Tensor, nn

from .libraries import LIBRARIES, LibraryName

Size = int | Mapping[str, int]  # a side in pixels: of all variants, or suffix -> of that one
Stages = Sequence[str] | Callable[[Any], Sequence[str]]  # of all variants, or a function of the network


class Resizable(Protocol):
    """A network with parameters that follow the size of the images."""

    def fit_to_size(
        self, state: dict[str, Tensor], img_size: tuple[int, int] | None = None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """A copy of a state dict for images of img_size (None: unknown), its tables resized, and sentences about it."""

    @staticmethod
    def size_of(state: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """The (height, width) that the tables of a state dict were made for, or None."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The variants of one network class. Raises ValueError naming all that is missing or contradictory.

    Names are those of modules and parameters in the network, several of them with spaces between; the name of a module
    is that of all that it holds. Regular expressions have to match a whole name.
    """

    prefix: str
    network: type[nn.Module]  # takes the arguments of a variant, and num_classes
    variants: Mapping[str, Mapping[str, Any]]  # suffix -> arguments

    stages: Stages = ()  # names of each stage, from the image to the head; stages.py says how
    head: str = ""  # names of what follows the number of classes
    cam: str = ""  # regular expression: layers one behind the other up to the pooling, one of which is explained
    channels_last: str = ""  # regular expression: layers that give (N, h, w, C); others give (N, C, h, w)
    tokens: bool = False  # layers give (N, L, C), the patches last; the network's `grid` is their (rows, columns)

    img_size: Size = 224  # of the images that a variant is meant for
    min_img_size: Size = 1  # below which the network raises ValueError
    tables: str = ""  # regular expression: parameters whose shape follows the argument img_size: a Resizable network
    loss_scaling: bool = True  # False: gradients do not grow with the loss, as the training in float16 needs

    libraries: Mapping[str, Mapping[str, LibraryName]] = field(default_factory=dict)  # library -> suffix -> its name
    reference: str = ""  # the public network whose logits ours equals; left out: that of the first library

    def __post_init__(self) -> None:
        accepted = inspect.signature(self.network).parameters
        named = {suffix for names in self.libraries.values() for suffix in names}
        checks = {
            "variants is empty": bool(self.variants),
            "stages is missing: the names of its modules, stage by stage": bool(self.stages),
            "head is missing: the names of what follows num_classes": bool(self.head.split()),
            "cam is missing: a regular expression for the layers to explain": bool(self.cam),
            f"{self.network.__name__} takes no num_classes": "num_classes" in accepted,
            "img_size lacks a variant": self._has_all(self.img_size),
            "min_img_size lacks a variant": self._has_all(self.min_img_size),
            "tables belong to a network with the argument img_size, fit_to_size and size_of": self._keeps_tables(),
            f"libraries knows {', '.join(LIBRARIES)} alone": self.libraries.keys() <= set(LIBRARIES),
            "libraries names a variant that there is not": named <= self.variants.keys(),
        }
        if problems := [problem for problem, holds in checks.items() if not holds]:
            raise ValueError(f"family {self.prefix!r}: {'; '.join(problems)}")

    def _has_all(self, sizes: Size) -> bool:
        return isinstance(sizes, int) or self.variants.keys() <= sizes.keys()

    def _keeps_tables(self) -> bool:
        """Whether the class takes img_size and is Resizable, as `tables` needs, or takes no such size."""
        takes_size = "img_size" in inspect.signature(self.network).parameters
        resizes = hasattr(self.network, "fit_to_size") and hasattr(self.network, "size_of")
        return resizes and takes_size if self.tables else not takes_size

    def img_size_of(self, suffix: str) -> int:
        return self.img_size if isinstance(self.img_size, int) else self.img_size[suffix]

    def min_img_size_of(self, suffix: str) -> int:
        return self.min_img_size if isinstance(self.min_img_size, int) else self.min_img_size[suffix]

    def reference_of(self, suffix: str) -> str:
        """The public network whose logits those of the variant equal, in words; '-' if there is none."""
        if self.reference or not self.libraries:
            return self.reference or "-"
        library, names = next(iter(self.libraries.items()))
        return f"{library} {names[suffix]}" if suffix in names else "-"

    def in_head(self, name: str) -> bool:
        """Whether a tensor of this name follows the number of classes."""
        return any(belongs(name, part) for part in self.head.split())

    def is_table(self, name: str) -> bool:
        """Whether a tensor of this name follows the size of the images."""
        return re.fullmatch(self.tables, name) is not None

    def size_of(self, state: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """(height, width) of the images that the tables of a state dict are for; None if nothing in it says so."""
        return cast("type[Resizable]", self.network).size_of(state) if self.tables else None

    def fit_to_size(
        self, network: nn.Module, state: dict[str, Tensor], img_size: tuple[int, int] | None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """`state`, its tables in the sizes of `network`, and sentences about what was changed.

        img_size: (height, width) of the images that `state` was made for; None where that is unknown.
        """
        return cast(Resizable, network).fit_to_size(state, img_size) if self.tables else (state, [])

    def names_of_stages(self, network: nn.Module) -> Sequence[str]:
        return self.stages(network) if callable(self.stages) else self.stages


def belongs(name: str, part: str) -> bool:
    """Whether `name` is that of `part`, or of something in it: 'fc.bias' belongs to 'fc', 'fc2.bias' does not."""
    return name == part or name.startswith(f"{part}.")


def numbered(parent: str, numbers: Iterable[int]) -> str:
    """The names of some children as a stage: ("features", range(4, 6)) -> 'features.4 features.5'."""
    return " ".join(f"{parent}.{number}" for number in numbers)
