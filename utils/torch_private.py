"""What torch does not promise to keep: every private name of its that utils/ and tools/ use, with what is done without.

Each use has a probe; a test takes the name away and compares the results. (models/adder_ops.py and adder_cuda.py have
one more each.)
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

Kind = TypeVar("Kind", bound=Optimizer)


def end_workers(loader: DataLoader, iterator: Any) -> None:
    """End the loading processes of `iterator`, which `loader` would keep for its next epoch.

    Without the private names they end when the last reference to the iterator goes.
    """
    if hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    if hasattr(loader, "_iterator"):
        loader._iterator = None


def remember_rates(scheduler: LRScheduler, rates: list[float | Tensor]) -> None:
    """What `get_last_lr` gives, for a scheduler whose step was set from outside.

    Without the private name it gives the rates of the step before until the next step.
    """
    if hasattr(scheduler, "_last_lr"):
        scheduler._last_lr = rates


def takes_found_inf(optimizer: Optimizer) -> bool:
    """Whether the optimizer's step does nothing where its `found_inf`, a scalar on the device, is 1.

    That is how torch.amp.GradScaler talks to the fused optimizers. Without it, what a step changes is put back.
    """
    return getattr(optimizer, "_step_supports_amp_scaling", False)


def step_with_found_inf(optimizer: Any, found_inf: Tensor) -> None:
    """The step of an optimizer that `takes_found_inf`; found_inf: 1.0 where it is to do nothing, else 0.0."""
    optimizer.found_inf = found_inf
    optimizer.step()
    del optimizer.found_inf


class InMemoryOrder:
    """Lets the fused kernels of Adam on a CPU see every tensor as it lies in memory.

    They copy each gradient that is not contiguous, as those of channels_last kernels, and leave the copy unused.
    Without the private method nothing calls this one, and the copies are made.
    """

    def _init_group(self, group: dict[str, Any], *found: list[Tensor] | bool) -> Any:
        """found: lists that the optimizer fills, and in some versions of torch a flag among them."""
        has_complex = super()._init_group(group, *found)  # type: ignore[misc]  # the optimizer's, next in line
        for tensors in found:
            if isinstance(tensors, list):
                tensors[:] = [tensor.permute(0, 2, 3, 1) if _is_channels_last(tensor) else tensor for tensor in tensors]
        return has_complex


def in_memory_order(optimizer: type[Kind]) -> type[Kind]:
    """The optimizer with InMemoryOrder, as itself where that does not apply."""
    if not hasattr(optimizer, "_init_group"):
        return optimizer
    return cast("type[Kind]", type(f"{optimizer.__name__}InMemoryOrder", (InMemoryOrder, optimizer), {}))


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def can_reorder_filters() -> bool:
    """Whether this torch has oneDNN with the operators that torch.compile uses."""
    names = "_convolution_pointwise", "_reorder_convolution_weight"
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


def reordered_filters(weight: Tensor, layout: tuple, shape: torch.Size) -> Tensor:
    """Filters in the order that oneDNN wants for inputs of `shape`; layout: padding, stride, dilation, groups."""
    return torch.ops.mkldnn._reorder_convolution_weight(weight, *layout, shape)


def convolve_reordered(
    x: Tensor, filters: Tensor, bias: Tensor | None, layout: tuple, activation: str, numbers: list[float]
) -> Tensor:
    """A convolution with `reordered_filters` and an activation of oneDNN's ("none", "relu", ...) behind it."""
    return torch.ops.mkldnn._convolution_pointwise(x, filters, bias, *layout, activation, numbers, "")


def with_version(state: dict[str, Tensor], version: int) -> dict[str, Tensor]:
    """An OrderedDict that says which version of a network it is of, as `state_dict()` does.

    It is written with the file, and torchvision refuses some files without.
    """
    state._metadata = {"": {"version": version}}  # type: ignore[attr-defined]  # which an OrderedDict can have
    return state


@cache
def jpeg_decoder() -> Callable[[Tensor], Tensor] | None:
    """The decoder of JPEG files in torchvision, (bytes,) uint8 -> (3, H, W) uint8. None: Pillow gives the same.

    Its 0.29 announces it to go; until then, and where it was built with one, it is faster than Pillow's.
    """
    from torchvision.io import ImageReadMode  # brings the operator; see utils/imports.py

    operator = getattr(torch.ops.image, "decode_jpeg", None)
    return operator and (lambda data: operator(data, ImageReadMode.RGB.value))


def give_back_cublas_memory() -> None:
    """Let cuBLAS take new memory to work in. It keeps 32 MiB for every thread and stream that it was called on.

    What a recorded graph works in stays in the pool of its recording, which nothing else draws from.
    """
    if hasattr(torch._C, "_cuda_clearCublasWorkspaces"):
        torch._C._cuda_clearCublasWorkspaces()


def end_broken_recording(device: torch.device, pool: Any) -> None:
    """Tell the allocator that a recording into `pool` has broken off, which torch < 2.13 does not.

    It would keep the memory of that recording, and give back nothing that another stream has used, ever after:
    https://github.com/pytorch/pytorch/pull/180395.
    """
    names = "_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"  # the second before torch 2.8
    end = next((getattr(torch._C, name) for name in names if hasattr(torch._C, name)), None)
    if end is None or not hasattr(torch._C, "_cuda_releasePool"):
        return
    try:
        end(device.index or 0, pool)
    except (RuntimeError, TypeError):
        return  # torch has ended it by itself, or takes other arguments by now
    torch._C._cuda_releasePool(device.index or 0, pool)
