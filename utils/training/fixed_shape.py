"""Networks that are faster for batches of one shape: compiled for it, or recorded as CUDA graphs.

All batches of an epoch but the last have one shape. What is made for it is used for it; other batches go through the
network as it is, so that a ragged last batch costs neither a compilation nor a recording.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .. import distributed
from .snapshot import Snapshot, groups_of
from .state import Recipe

Call = Callable[[Tensor], Tensor]
BEFORE = 3  # batches through the network as it is before it is recorded: cuDNN has chosen its algorithms then
SHARE = 1 / 4  # of a GPU's memory, at most, may a step take that is recorded: its activations are kept beside others'


class FixedShape(nn.Module):
    """`network`, but through what `prepare` makes of it for images of `shape`; parameters and modes are the network's.

    prepare: given the network and the first such batch, after `before` of them; None: the network stays as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        prepare: Callable[[nn.Module, Tensor], Call | None],
        *,
        before: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.shape, self.prepare, self.before = network, shape, prepare, before
        self.seen = 0
        self.fast: tuple[Call | None] | None = None  # in a tuple, as a module would be registered

    def forward(self, images: Tensor) -> Tensor:
        if tuple(images.shape) != self.shape:
            return self.network(images)
        if self.fast is None and self.seen >= self.before:
            self.fast = (self.prepare(self.network, images),)
        self.seen += 1
        return self.network(images) if self.fast is None or self.fast[0] is None else self.fast[0](images)

    @property
    def no_sync(self) -> Any:
        """Of DDP, None without it."""
        return getattr(self.network, "no_sync", None)


def for_training(network: nn.Module, config: Any, recipe: Recipe) -> nn.Module:
    """`network`, bare or in DDP, as the config's compile and cuda_graphs make it fast."""
    shape = (config.batch_size, 3, *config.img_size)
    if config.compile:
        return FixedShape(network, shape, compiler(config.compile))
    alone = distributed.world_size() == 1 and recipe.accumulate == 1  # gradients lie in the graph: none adds to them
    if config.cuda_graphs == "auto" and recipe.device.type == "cuda" and alone:
        return FixedShape(network, shape, partial(recorded, recipe=recipe), before=BEFORE)
    return network


def for_evaluation(model: nn.Module, config: Any) -> nn.Module:
    """`model` as the config's compile makes it fast."""
    if not config.compile:
        return model
    return FixedShape(model, (config.batch_size, 3, *config.img_size), compiler(config.compile))


def compiler(mode: str | bool) -> Callable[[nn.Module, Tensor], Call]:
    """mode: of torch.compile; True is 'default'."""
    word = "default" if mode is True else str(mode)

    def prepare(network: nn.Module, images: Tensor) -> Call:
        compiled = torch.compile(network, mode=word, dynamic=False)

        def call(images: Tensor) -> Tensor:
            torch.compiler.cudagraph_mark_step_begin()
            return compiled(images).clone()  # the next call would write over it

        return call if word == "reduce-overhead" else compiled

    return prepare


def recorded(network: nn.Module, images: Tensor, *, recipe: Recipe) -> Call | None:
    """Forward and backward pass as CUDA graphs, which cost the host a launch each; None where they cannot be.

    They keep a set of activations of their own, so only steps that leave most of the memory free are recorded; greater
    ones keep a GPU busy anyway.
    """
    if not _room(recipe.device):
        return None
    torch.cuda.empty_cache()  # of what the steps before have left
    buffers, numbers = Snapshot(groups_of(network.buffers())), torch.cuda.get_rng_state(recipe.device)
    call = _Call(network)
    try:
        with recording(recipe.device), torch.autocast("cuda", recipe.amp_dtype, recipe.mixed, cache_enabled=False):
            torch.cuda.make_graphed_callables(call, (images.clone(),), allow_unused_input=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        warnings.warn(f"steps are not recorded as CUDA graphs, which are faster: {reason}", stacklevel=1)
        return None
    finally:  # it was run a few times, which shall leave no trace
        buffers.restore_where(torch.tensor(True, device=recipe.device))
        torch.cuda.set_rng_state(numbers, recipe.device)
    return call


@contextmanager
def recording(device: torch.device) -> Iterator[None]:
    """Without it, a recording that breaks off leaves its stream current and the generator counting for the graph."""
    stream, generator = torch.cuda.current_stream(device), torch.cuda.default_generators[device.index or 0]
    try:
        yield
    except RuntimeError:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(torch.Generator(device).graphsafe_get_state())
        torch.cuda.empty_cache()
        raise
    # gradients come from the graph's stream and are added up on the step's, which autograd would warn of
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)


class _Call(nn.Module):
    """A network whose forward can be replaced without a change of the network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


def _room(device: torch.device) -> bool:
    """Whether the memory that steps took so far is free a second time, and a small part of all."""
    taken = torch.cuda.max_memory_allocated(device)
    free, total = torch.cuda.mem_get_info(device)
    return taken <= free and taken <= SHARE * total
