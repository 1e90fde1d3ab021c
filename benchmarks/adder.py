"""AdderNet beside its authors' formula in plain PyTorch, and AdderNet-50 beside resnet 50: time, memory, compilation.

Times are medians of alternating rounds with their 10th and 90th percentile. Where other work runs, trust the ratio of
each side's fastest round: threads that wait for each other lose most by it, and ours wait more often. Memory is what
the resident set of a new process grows by during one call after a first one (Linux only). The first step of AdderNet-50
is timed in a new process with an empty compiler cache, and in another one that finds what the first has left there.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import run_command
from utils.costs.peak_memory import peak_growth
from utils.timing import Spread, interleaved, ratios

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import addernet, create_model
from models.addernet import adder2d

Sides = dict[str, Callable[[], Any]]  # "ours" and "theirs"


class WrittenOut(torch.autograd.Function):
    """The authors' formula, all differences at once: x (K, windows), w (O, K) -> (O, windows)."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return -(w.unsqueeze(2) - x.unsqueeze(0)).abs().sum(1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        grad_w = ((x.unsqueeze(0) - w.unsqueeze(2)) * grad.unsqueeze(1)).sum(2)
        grad_w = grad_w / grad_w.norm().clamp(min=1e-12) * math.sqrt(w.numel()) / 5
        grad_x = (-(x.unsqueeze(0) - w.unsqueeze(2)).clamp(-1, 1) * grad.unsqueeze(1)).sum(0)
        return grad_x, grad_w


def written_out(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    """A layer as the authors compute it."""
    images, kernel = len(x), weight.shape[-1]
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:])
    columns = functional.unfold(x, kernel, padding=padding, stride=stride).permute(1, 2, 0).flatten(1)  # (K, windows)
    out = WrittenOut.apply(columns, weight.flatten(1))
    return out.view(-1, height, width, images).permute(3, 0, 1, 2)


def layer_sides(direction: str) -> Sides:
    """One layer 128 -> 128, 3x3, of two images 28x28."""
    torch.manual_seed(0)
    x = torch.randn(2, 128, 28, 28, requires_grad=True)
    weight = torch.randn(128, 128, 3, 3, requires_grad=True)
    forwards = {"ours": partial(adder2d, x, weight, 1, 1), "theirs": partial(written_out, x, weight)}
    if direction == "forward":
        return forwards
    outs = {name: forward() for name, forward in forwards.items()}
    grad = torch.randn_like(outs["ours"])
    return {name: partial(torch.autograd.grad, out, (x, weight), grad, retain_graph=True) for name, out in outs.items()}


def step_sides(batch_size: int) -> Sides:
    """A training step of AdderNet-50 and one of resnet 50, both ours, on 224x224."""
    return {"ours": training_step("addernet", batch_size), "theirs": training_step("resnet", batch_size)}


def small_sides(batch_size: int, img_size: int) -> Sides:
    """A training step of AdderNet-50 on small images, ours and as the authors compute it."""
    step = training_step("addernet", batch_size, img_size)

    def theirs() -> None:
        with patch.object(addernet, "adder2d", written_out):
            step()

    return {"ours": step, "theirs": theirs}


def training_step(prefix: str, batch_size: int, img_size: int = 224) -> Callable[[], None]:
    torch.manual_seed(0)
    model = create_model(prefix, "50").train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(batch_size, 3, img_size, img_size)
    targets = torch.randint(0, 1000, (batch_size,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def times(sides: Callable[[], Sides], rounds: int, threads: int) -> dict[str, list[float]]:
    torch.set_num_threads(threads)
    return interleaved(sides(), rounds=rounds)


def memory(sides: Callable[[], Sides], name: str, threads: int) -> int | None:
    torch.set_num_threads(threads)
    function = sides()[name]
    function()  # compiles, and makes what stays: momentum, the libraries' buffers
    return peak_growth(function)


def first_step(batch_size: int, threads: int) -> float:
    torch.set_num_threads(threads)
    step = training_step("addernet", batch_size)
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def compare(title: str, sides: Callable[[], Sides], arguments: argparse.Namespace, *, inverse: bool = False) -> None:
    """Print one row. The ratio is theirs / ours, a gain; `inverse`: ours / theirs, a cost."""
    seconds = in_new_process(times, sides, arguments.rounds, arguments.threads)
    peaks = [in_new_process(memory, sides, name, arguments.threads) for name in ("theirs", "ours")]
    above, below = ("ours", "theirs") if inverse else ("theirs", "ours")
    ratio = Spread.of(ratios(seconds[above], seconds[below]))
    cells = [title, *(str(Spread.of(seconds[name])) for name in ("theirs", "ours"))]
    cells.append(f"{ratio.median:.3g} [{ratio.low:.3g} .. {ratio.high:.3g}]")
    cells.append(f"{min(seconds[above]) / min(seconds[below]):.3g}")
    if None in peaks:
        cells += ["not measured"] * 3
    else:
        share = peaks[1] / peaks[0] if inverse else peaks[0] / peaks[1]
        cells += [f"{peak / 2**20:.0f} MB" for peak in peaks] + [f"{share:.3g}"]
    print_row(cells)


def print_row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def run(arguments: argparse.Namespace) -> None:
    print(f"torch {torch.__version__}, {arguments.threads} threads, {arguments.rounds} rounds", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # for the processes to come
        cold, warm = (in_new_process(first_step, arguments.batch_size, arguments.threads) for _ in range(2))
        print(f"first step of AdderNet-50: {cold:.0f} s with compilation, {warm:.0f} s in the next process\n")
        print_row(["what", "theirs", "ours", "ratio", "of the fastest", "their peak", "our peak", "ratio"])
        print_row(["---"] * 8)
        compare("layer forward, theirs / ours", partial(layer_sides, "forward"), arguments)
        compare("layer backward, theirs / ours", partial(layer_sides, "backward"), arguments)
        for batch_size, img_size in ((2, 64), (32, 32)):
            title = f"step of AdderNet-50, batch {batch_size} at {img_size}, theirs / ours"
            compare(title, partial(small_sides, batch_size, img_size), arguments)
        title = f"step of AdderNet-50 / resnet 50, batch {arguments.batch_size}"
        compare(title, partial(step_sides, arguments.batch_size), arguments, inverse=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each side (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    parser.add_argument("--batch-size", type=int, default=8, help="images in a training step (default 8)")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
