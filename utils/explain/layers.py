"""Which layer of a network to explain, and how its output becomes a map."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from models import family_of
from models.registry import name_of

from ..errors import ConfigError

ENOUGH = 4  # rows and columns below which the default is an earlier layer, as on images of 32 x 32


@dataclass(frozen=True)
class Layer:
    name: str
    module: nn.Module
    grid: tuple[int, int]  # rows and columns
    channels_last: bool = False

    def to_map(self, output: Tensor) -> Tensor:
        """(N, C, h, w), (N, h, w, C) or tokens (N, L, C), of which the last h * w are the patches -> (N, C, h, w)."""
        if output.ndim == 3:
            patches = output[:, -self.grid[0] * self.grid[1] :]
            return patches.transpose(1, 2).unflatten(2, self.grid)
        return output.permute(0, 3, 1, 2) if self.channels_last else output


def default_layer(model: nn.Module, img_size: tuple[int, int]) -> Layer:
    """The last layer of the family's `cam`, poolings aside, with ENOUGH rows and columns for images of (height, width).

    Where no layer has so many, the last of those with the most. Raises ConfigError if all have one position only.
    """
    trunk = re.compile(family_of(model).cam)
    named = {name: module for name, module in model.named_modules() if trunk.fullmatch(name)}
    shapes = _survey(model, [name for name, module in named.items() if not isinstance(module, nn.MaxPool2d)], img_size)
    layers = [_layer(model, name, shape, img_size) for name, shape in shapes.items()]
    enough = min(ENOUGH, max(min(layer.grid) for layer in layers))
    return _with_positions([layer for layer in layers if min(layer.grid) >= enough][-1], img_size)


def named_layer(model: nn.Module, name: str, img_size: tuple[int, int]) -> Layer:
    """The layer of that name in `model.named_modules()`. Raises ConfigError, naming others, if it gives no map."""
    names = [known for known, _ in model.named_modules() if known]
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, n=5, cutoff=0.4) or _outermost(names))
        raise ConfigError(
            "command line", [f"--layer: {' '.join(name_of(model))} has no layer {name!r}; nearest: {near}"]
        )
    shapes = _survey(model, [name], img_size)
    if name not in shapes:
        raise ConfigError("command line", [f"--layer: {name} only holds others; expected one that computes"])
    return _with_positions(_layer(model, name, shapes[name], img_size), img_size)


def _outermost(names: Iterable[str]) -> list[str]:
    return [name for name in names if "." not in name]


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """A list that fills with the outputs of `module` while the context lasts, each as it was when it was given.

    The network goes on with a copy: an activation in place writes over that one, and gradients reach what is kept.
    """
    kept = []

    def keep(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    handle = module.register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


@torch.no_grad()
def _survey(model: nn.Module, names: Iterable[str], img_size: tuple[int, int]) -> dict[str, torch.Size]:
    """Shapes of what the named layers give for a blank image, in order of `names`, without those that never run."""
    with ExitStack() as stack:
        outputs = {name: stack.enter_context(outputs_of(model.get_submodule(name))) for name in names}
        model(torch.zeros(1, 3, *img_size, device=next(model.parameters()).device))
    return {name: given[-1].shape for name, given in outputs.items() if given}


def _layer(model: nn.Module, name: str, shape: torch.Size, img_size: tuple[int, int]) -> Layer:
    """Raises ConfigError if a layer that gives `shape` cannot be seen as a map of the image."""
    family = family_of(model)
    channels_last = re.fullmatch(family.channels_last, name) is not None
    grid: tuple[int, int] | None = cast(Any, model).grid if family.tokens else None
    if len(shape) == 4:
        grid = (shape[1], shape[2]) if channels_last else (shape[2], shape[3])
        fits = _of_one_stride(grid, img_size)
    else:
        fits = len(shape) == 3 and grid is not None and shape[1] - grid[0] * grid[1] in (0, 1)  # 1: a class token
    if grid is None or not fits:
        given = " x ".join(map(str, shape[1:]))
        raise ConfigError(
            "command line", [f"--layer: {name} gives {given} numbers for an image, which are no map of it"]
        )
    return Layer(name, model.get_submodule(name), grid, channels_last)


def _of_one_stride(grid: tuple[int, int], img_size: tuple[int, int]) -> bool:
    """Whether the rows and columns of a grid may be those of an image, up to 2 for rounding and missing padding."""
    least = max(side / (count + 2) for side, count in zip(img_size, grid))
    most = min(side / max(count - 2, 0.5) for side, count in zip(img_size, grid))
    return least <= most


def _with_positions(layer: Layer, img_size: tuple[int, int]) -> Layer:
    if layer.grid == (1, 1):
        size = f"{img_size[0]}x{img_size[1]}"
        problem = f"{layer.name} has a single position for images of {size}"
        raise ConfigError("command line", [f"{problem}: name another --layer or a larger --img-size"])
    return layer
