"""Packages that take long to import, for those who need them."""

from types import ModuleType


def transforms() -> ModuleType:
    """torchvision.transforms.v2; with torchvision comes torch's compiler, half of what a command takes to start."""
    from torchvision.transforms import v2

    return v2
