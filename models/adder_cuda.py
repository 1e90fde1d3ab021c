"""The two sums of an adder layer as CUDA kernels of our own, adder_kernels.cu, which NVRTC compiles at first use.

torch.compile's kernels read an operand from the cache for each difference, which takes longer than the difference;
here each number read serves several, as in a matrix product. Compiled by what torch brings along: no toolkit is needed.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("adder_kernels.cu")
ROWS, COLUMNS, THREADS = 128, 64, 256  # of the source


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels take these: float32 on an NVIDIA GPU, with a release of torch that compiles them."""
    return all(tensor.is_cuda and tensor.dtype == torch.float32 for tensor in tensors) and (
        kernels(tensors[0].device.index) is not None
    )


def distances(rows: Tensor, filters: Tensor) -> Tensor:
    """-(sum of |x - w|) of each window and filter: (windows, K), (O, K) -> (windows, O)."""
    sizes = len(rows), len(filters), rows.shape[1]
    out = rows.new_empty(sizes[0], sizes[1])
    launch("adder_distances", [rows.contiguous(), filters.contiguous(), out], sizes)
    return out


def clipped_gradient(rows: Tensor, filters: Tensor, grads: Tensor) -> Tensor:
    """The sum over filters of grad * clip(w - x, -1, 1): (windows, K), (O, K), (windows, O) -> (windows, K)."""
    sizes = len(rows), len(filters), rows.shape[1]
    out = torch.empty_like(rows, memory_format=torch.contiguous_format)
    tensors = [rows.contiguous(), filters.contiguous(), grads.contiguous(), grads.sum(1), out]
    launch("adder_gradient", tensors, sizes)
    return out


def launch(name: str, tensors: list[Tensor], sizes: tuple[int, int, int]) -> None:
    """The last of `tensors` is written; its shape says how many tiles there are."""
    out = tensors[-1]
    compiled = kernels(out.device.index)
    if compiled and out.numel():
        grid = -(-out.shape[0] // ROWS), -(-out.shape[1] // COLUMNS), 1
        with torch.cuda.device(out.device):
            compiled[name](grid=grid, block=(THREADS, 1, 1), args=[*tensors, *sizes])


@cache
def kernels(index: int) -> dict[str, Callable[..., Any]] | None:
    """By name, for the GPU of this index; None where torch cannot make them (before 2.9, or built for other GPUs)."""
    make = getattr(torch.cuda, "_compile_kernel", None)
    if make is None or torch.version.cuda is None:
        return None
    from torch.utils import cpp_extension  # takes a second: not where no adder layer runs on a GPU

    source = SOURCE.read_text(encoding="utf-8")
    # torch asks for the toolkit's headers, of which the source needs none: without a toolkit it would give up
    headers = patch.object(cpp_extension, "CUDA_HOME", cpp_extension.CUDA_HOME or os.devnull)
    try:
        with torch.cuda.device(index), headers:
            return {name: make(source, name) for name in ("adder_distances", "adder_gradient")}
    except (RuntimeError, OSError, AttributeError):  # no NVRTC, one too old for the GPU, another build of torch
        return None
