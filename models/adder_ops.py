"""The two sums of an adder layer that are no matrix products: one formula each, compiled, or in parts where that fails.

On an NVIDIA GPU the kernels of adder_cuda.py come before both.

Written out, both make windows x filters x K differences and sum most of them up at once. torch.compile turns that into
one loop, and a fast one by the shapes that the formulas take: TILE windows share each filter that is read, and LANES
results lie side by side and fill registers. Each result is one sum in a fixed order, however many threads there are.
"""

import warnings
from collections.abc import Callable
from functools import cache, cached_property

import torch
from torch import Tensor, nn

from . import adder_cuda

TILE, LANES = 4, 16  # the fastest of those tried on AVX2; eight windows at once need more registers than there are
WORTHWHILE = 2**25  # so many differences are worth compiling for: fewer take milliseconds anyway,
OFTEN = 2**20  # but in training they are made again at each step
DIFFERENCES = {"cpu": 2**19, "cuda": 2**24}  # so many at once where nothing is compiled: on a CPU, what its cache holds


def distance_sums(rows: Tensor, panels: Tensor) -> Tensor:
    """-(sum over k of |x - w|): x (tiles, T, K), w (panels, K, L) -> (tiles, T, panels, L)."""
    sums = [(rows[:, None, i, :, None] - panels).abs().sum(2) for i in range(rows.shape[1])]
    return -torch.stack(sums, 1)


def gradient_sums(rows: Tensor, panels: Tensor, grads: Tensor) -> Tensor:
    """The sum over o of grad * clip(w - x, -1, 1): x (tiles, T, panels, L), w (panels, O, L), grads (tiles, T, O).

    Returns (tiles, T, panels, L). clip is relu(2 - relu(1 + x - w)) - 1 here: compiled, clamp would take twice as long
    to let NaN pass at both ends.
    """
    above = [torch.relu(2.0 - torch.relu((rows[:, i, :, None] + 1.0) - panels)) for i in range(rows.shape[1])]
    sums = [(part * grads[:, i, None, :, None]).sum(2) for i, part in enumerate(above)]
    return torch.stack(sums, 1) - grads.sum(2)[:, :, None, None]


class Fused:
    """A formula of `rows` and more tensors that are split along their first axis, and of `panels`, which is not.

    From WORTHWHILE differences on, in training from OFTEN on, it is compiled, at first use and for all sizes. If that
    fails, a warning says why, once; then, as with less work, the formula runs uncompiled on as many rows as make
    DIFFERENCES, one at least.
    """

    usable = True  # of all at once: what keeps one formula from being compiled keeps the others

    def __init__(self, formula: Callable[..., Tensor]) -> None:
        self.formula = formula

    @torch.no_grad()  # the compiler would start again wherever gradients are switched otherwise
    def __call__(self, rows: Tensor, panels: Tensor, *more: Tensor, training: bool = False) -> Tensor:
        least = min(OFTEN, WORTHWHILE) if training else WORTHWHILE
        if Fused.usable and rows.shape[0] * TILE * panels.numel() >= least:
            try:
                return self._at_once(rows, panels, *more)
            except Exception as error:  # of many kinds: no compiler, one that is too old, a full disk, a bug in it
                Fused.usable = False
                warnings.warn(f"AdderNet runs several times slower: {_cause(error)}", stacklevel=1)
        step = max(1, DIFFERENCES.get(rows.device.type, DIFFERENCES["cuda"]) // panels.numel())
        parts = zip(*(tensor.split(step) for tensor in (rows, *more)))
        return torch.cat([self.formula(part, panels, *others) for part, *others in parts])

    @cached_property
    def compiled(self) -> Callable[..., Tensor]:
        return torch.compile(self.formula, fullgraph=True)

    def _at_once(self, *tensors: Tensor) -> Tensor:
        if not _compiles()():  # the bare formula would make all differences at once
            raise RuntimeError("it is switched off, by TORCH_COMPILE_DISABLE or a stance of torch.compiler")
        plain = [tensor.data for tensor in tensors]  # no view, no gradient: either would be compiled for again
        for tensor in plain:
            fixed = (1, TILE), (tensor.ndim - 1, LANES)
            torch._dynamo.maybe_mark_dynamic(
                tensor, [i for i, size in enumerate(tensor.shape) if (i, size) not in fixed]
            )
        return self.compiled(*plain)


@cache
def _compiles() -> Callable[[], bool]:
    """A function that returns whether functions are compiled when they are called."""
    return torch.compile(lambda: torch.compiler.is_compiling(), backend="eager")


def _cause(error: BaseException) -> str:
    """What went wrong, in one line, and what usually helps."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (
        f"torch.compile does not work here ({type(error).__name__}: {lines[0] if lines else 'no message'}); "
        "on a CPU it needs a C++ compiler (g++, clang or MSVC), on CUDA it needs Triton"
    )


FUSED_DISTANCES = Fused(distance_sums)
FUSED_GRADIENT = Fused(gradient_sums)


@torch.library.custom_op("addernet::distances", mutates_args=())  # to torch.compile around it, one step
def distances(rows: Tensor, filters: Tensor, training: bool = False) -> Tensor:
    """-(sum of |x - w|) of each window and filter: (windows, K), (O, K) -> (windows, O)."""
    if adder_cuda.usable(rows, filters):
        return adder_cuda.distances(rows, filters)
    tiles = padded(rows, TILE, 1).unflatten(0, (-1, TILE))
    panels = padded(filters, LANES, 1).unflatten(0, (-1, LANES)).transpose(1, 2).contiguous()
    out = FUSED_DISTANCES(tiles, panels, training=training)
    return out.flatten(2).flatten(0, 1)[: len(rows), : len(filters)].contiguous()


@torch.library.custom_op("addernet::clipped_gradient", mutates_args=())
def clipped_gradient(rows: Tensor, filters: Tensor, grads: Tensor) -> Tensor:
    """The sum over filters of grad * clip(w - x, -1, 1): (windows, K), (O, K), (windows, O) -> (windows, K)."""
    if adder_cuda.usable(rows, filters, grads):
        return adder_cuda.clipped_gradient(rows, filters, grads)
    tiles = padded(rows, TILE, LANES).unflatten(0, (-1, TILE)).unflatten(2, (-1, LANES))
    panels = padded(filters, 1, LANES).unflatten(1, (-1, LANES)).transpose(0, 1).contiguous()
    out = FUSED_GRADIENT(tiles, panels, padded(grads, TILE, 1).unflatten(0, (-1, TILE)), training=True)
    return out.flatten(2).flatten(0, 1)[: rows.shape[0], : rows.shape[1]].contiguous()


@distances.register_fake
def _(rows: Tensor, filters: Tensor, training: bool = False) -> Tensor:
    return rows.new_empty(rows.shape[0], filters.shape[0])


@clipped_gradient.register_fake
def _(rows: Tensor, filters: Tensor, grads: Tensor) -> Tensor:
    return rows.new_empty(rows.shape)


def padded(matrix: Tensor, rows: int, columns: int) -> Tensor:
    """`matrix` with zeros below and to the right, up to multiples of `rows` and `columns`; contiguous."""
    below, right = -matrix.shape[0] % rows, -matrix.shape[1] % columns
    return nn.functional.pad(matrix, (0, right, 0, below)) if below or right else matrix.contiguous()
