"""A batch without images on one of several ranks: it takes part in what the others exchange, and adds nothing to it."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from .fixed_shape import FixedShape
from .snapshot import Snapshot, groups_of
from .state import Recipe, TrainState


def take_part(state: TrainState, network: nn.Module, recipe: Recipe) -> None:
    """Forward and backward pass of made-up images, whose loss is 0 whatever they give.

    DDP exchanges gradients, and synchronised BatchNorm its sums, by hooks of these passes, so that the other ranks
    would wait for one that left them out. To be called where the passes of a batch would be, in their contexts.
    """
    bare = network.network if isinstance(network, FixedShape) else network  # what was made for a shape is left to it
    layers = [layer for layer in state.model.modules() if isinstance(layer, nn.SyncBatchNorm) and layer.training]
    synchronised = {id(buffer) for layer in layers for buffer in layer.buffers()}  # learn from the other ranks
    own = Snapshot(groups_of(buffer for buffer in state.model.buffers() if id(buffer) not in synchronised))
    with contextlib.ExitStack() as uncounted:
        for layer in layers:
            uncounted.enter_context(_uncounted(layer))
        state.scaler.scale((bare(made_up(recipe)).float() * 0).sum()).backward()
    own.restore_where(torch.ones((), dtype=torch.bool, device=recipe.device))


def made_up(recipe: Recipe) -> Tensor:
    """(2, 3, H, W) images in -1..1 of no constant part, of which no norm is 0; two, as BatchNorm cannot do with one."""
    shape = 2, 3, *recipe.img_size
    numbers = torch.arange(6 * recipe.img_size[0] * recipe.img_size[1], device=recipe.device)
    images = (numbers * 37 % 255 - 127).float() / 127
    return images.view(shape).to(memory_format=recipe.memory_format)


@contextlib.contextmanager
def _uncounted(layer: nn.SyncBatchNorm) -> Iterator[None]:
    """The layer normalises by the batch alone, and gives the other ranks the sums of no image."""
    seen: list[Tensor] = []

    def before(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        seen.append(inputs[0])
        return (inputs[0][:0].float(),)  # the others exchange float32

    def after(layer: nn.SyncBatchNorm, inputs: tuple[Tensor], nothing: Tensor) -> Tensor:
        x = seen.pop()
        out = functional.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
        return out + nothing.sum().to(out.dtype)  # through which the backward pass takes part, too

    handles = layer.register_forward_pre_hook(before), layer.register_forward_hook(after)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
