"""Networks that are faster for batches of one shape: compiled for it, recorded as CUDA graphs, or both.

All batches of an epoch but the last have one shape. What is made for it is used for it; other batches go through the
network as it is, so that a ragged last batch costs neither a compilation nor a recording.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .. import distributed
from ..torch_private import end_broken_recording, give_back_cublas_memory
from .freezing import train_mode
from .snapshot import Snapshot, groups_of
from .state import Recipe

Call = Callable[[Tensor], Tensor]
SHARE = 1 / 4  # of a GPU's memory, at most, may a step take that is recorded: its activations are kept beside others'


class FixedShape(nn.Module):
    """`network`, but through `fast` for images of `shape`; parameters and modes are the network's."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...], fast: Call) -> None:
        super().__init__()
        self.network, self.shape = network, shape
        self.fast = (fast,)  # in a tuple, as a module would be registered

    def forward(self, images: Tensor) -> Tensor:
        return self.fast[0](images) if tuple(images.shape) == self.shape else self.network(images)

    @property
    def no_sync(self) -> Any:
        """Of DDP, None without it."""
        return getattr(self.network, "no_sync", None)


def for_training(network: nn.Module, config: Any, recipe: Recipe, *, record: bool = True) -> nn.Module:
    """`network`, bare or in DDP, as the config's compile and cuda_graphs make it fast.

    record: whether steps may be recorded; to be called before batches are loaded then, as a recording breaks off if
    another thread, such as the one that page-locks batches, asks something of the GPU meanwhile.
    """
    shape = shape_of(config)
    fast = compiled(network, config.compile) if config.compile else None
    if record and may_be_recorded(config, recipe):
        fast = recorded(network, shape, recipe, fast) or fast
    return network if fast is None else FixedShape(network, shape, fast)


def may_be_recorded(config: Any, recipe: Recipe) -> bool:
    """Gradients lie in the graph, so that none may be added to them; 'reduce-overhead' records by itself."""
    alone = distributed.world_size() == 1 and recipe.accumulate == 1
    wanted = config.cuda_graphs == "auto" and config.compile != "reduce-overhead"
    return recipe.device.type == "cuda" and wanted and alone


def for_evaluation(model: nn.Module, config: Any) -> nn.Module:
    """`model` as the config's compile makes it fast."""
    return FixedShape(model, shape_of(config), compiled(model, config.compile)) if config.compile else model


def shape_of(config: Any) -> tuple[int, ...]:
    """Of the images of a full batch: (N, 3, H, W)."""
    return config.batch_size, 3, *config.img_size


def compiled(network: nn.Module, mode: str | bool) -> Call:
    """mode: of torch.compile; True is 'default'. The compilation is at the first call."""
    word = "default" if mode is True else str(mode)
    module = torch.compile(network, mode=word, dynamic=False)

    def call(images: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return module(images).clone()  # the next call would write over it

    return call if word == "reduce-overhead" else module


def recorded(network: nn.Module, shape: tuple[int, ...], recipe: Recipe, fast: Call | None = None) -> Call | None:
    """Forward and backward pass as CUDA graphs, which cost the host a launch each; None where they cannot be.

    fast: what is to be recorded in the place of `network`, which it is made of: the compiled one.

    They keep a set of activations of their own, so only steps that leave most of the memory free are recorded; greater
    ones keep a GPU busy anyway. The passes that this takes leave no trace in the network or the generator.
    """
    buffers = Snapshot(groups_of(network.buffers()))
    numbers = torch.cuda.get_rng_state(recipe.device)
    images = torch.rand(shape, device=recipe.device).to(memory_format=recipe.memory_format)
    training, pool = network.training, torch.cuda.graph_pool_handle()
    train_mode(network, freeze_bn=recipe.freeze_bn)
    unrecorded = network if fast is None else fast
    call = _Call(network, unrecorded)
    try:
        with (
            recording(recipe.device, pool),
            torch.autocast("cuda", recipe.amp_dtype, recipe.mixed, cache_enabled=False),
        ):
            if recipe.amp_dtype is not None:
                images = rounded(network, images, recipe.amp_dtype)
            if not _fits(network, images):  # not compiled: under this autocast, that would serve the recording alone
                return None
            torch.cuda.make_graphed_callables(call, (images,), allow_unused_input=True, pool=pool)
        give_back_cublas_memory()  # that of the passes before the recording, on a stream of their own
        torch.cuda.empty_cache()
    except Exception as error:  # of many kinds, by what the network does
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        warnings.warn(f"steps are not recorded as CUDA graphs, which are faster: {reason}", stacklevel=1)
        return None
    finally:
        network.train(training)
        buffers.restore_where(torch.tensor(True, device=recipe.device))
        torch.cuda.set_rng_state(numbers, recipe.device)
    return lambda images: (call if network.training else unrecorded)(images)


def rounded(network: nn.Module, images: Tensor, dtype: torch.dtype) -> Tensor:
    """`images` in the dtype of autocast, to be called within, where the network makes the same of them, bit for bit.

    So it does if nothing sees them but layers that would round them; a recording then keeps half as much of them.
    """
    answers, half = [], images.to(dtype)
    with torch.random.fork_rng([images.device] if images.is_cuda else []), torch.no_grad():
        for given in (images, half):
            torch.manual_seed(0)  # for what the network drops
            answers.append(network(given))
    return half if torch.equal(*answers) else images


def _fits(network: nn.Module, images: Tensor) -> bool:
    """Whether what a forward and a backward pass take is free a second time, and a small part of the GPU's memory."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for _ in range(2):  # the first chooses among algorithms, in memory that the second does without
        torch.cuda.reset_peak_memory_stats(images.device)
        torch.autograd.grad(network(images).float().sum(), trained, allow_unused=True)
    taken = torch.cuda.max_memory_allocated(images.device)
    give_back_cublas_memory()
    torch.cuda.empty_cache()  # a recording has memory of its own
    free, total = torch.cuda.mem_get_info(images.device)
    return taken <= free and taken <= SHARE * total


@contextmanager
def recording(device: torch.device, pool: Any) -> Iterator[None]:
    """On `device` into `pool`; a recording that breaks off would leave its stream current, the generator counting for
    it, and the allocator waiting for its end."""
    # gradients come from the graph's stream and are added up on the step's, which autograd would warn of
    if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    stream, generator = torch.cuda.current_stream(device), torch.cuda.default_generators[device.index or 0]
    try:
        with torch.cuda.device(device):
            yield
    except Exception:
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(torch.Generator(device).graphsafe_get_state())
        torch.cuda.synchronize(device)  # of the stream that it began on, before anything is put right
        end_broken_recording(device, pool)
        torch.cuda.empty_cache()
        raise


class _Call(nn.Module):
    """`call`, which computes by the parameters of `network`: a recording takes its place, and the network stays."""

    def __init__(self, network: nn.Module, call: Call) -> None:
        super().__init__()
        self.network = network
        self.call = (call,)  # in a tuple, as a module would be registered

    def forward(self, images: Tensor) -> Tensor:
        logits = self.call[0](images)
        give_back_cublas_memory()  # of this thread: the backward pass, which another computes, takes its place
        return logits
