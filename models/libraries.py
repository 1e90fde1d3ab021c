"""How torchvision and timm name networks of ours. A family lists its names in its own file."""

from collections.abc import Callable
from typing import Any, NamedTuple

LIBRARIES = ("torchvision", "timm")


class LibraryName(NamedTuple):
    """Arguments of timm.create_model, or of torchvision.models.get_model, that give a network of ours."""

    name: str
    options: dict[str, Any] = {}

    def __str__(self) -> str:
        shown = ["..." if isinstance(value, list) else f"{key}={value}" for key, value in self.options.items()]
        return f"{self.name}({', '.join(dict.fromkeys(shown))})" if shown else self.name


def named(template: str, *suffixes: str, clean: Callable[[str], str] = str) -> dict[str, LibraryName]:
    """suffix -> the name that `template` makes of it, once `clean` has rewritten it."""
    return {suffix: LibraryName(template.format(clean(suffix))) for suffix in suffixes}


def hundredths(width: str) -> str:
    """'0.5' -> '050'."""
    return f"{round(float(width) * 100):03d}"


def underscores(suffix: str) -> str:
    """'50-32x4d' -> '50_32x4d', '1.1' -> '1_1'."""
    return suffix.replace("-", "_").replace(".", "_")
