"""What the process of one side does on a GPU: it builds a network, times its training steps and looks into them."""

import gc
import importlib
import math
import time
from collections.abc import Iterator
from typing import Any

from utils.timing import synchronize
from utils.torch_private import give_back_cublas_memory

import torch
import torchvision
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_row import Loading, Row

MODULES = {  # each with `steps(row, device)`, an iterator that makes a training step whenever it is asked for the next
    "ours": "benchmarks.gpu_ours",
    "timm": "benchmarks.peers.timm_steps",
    "torchvision": "benchmarks.peers.torchvision_steps",
}
WARMUP = 3  # steps before others are looked into
FIRST = 5  # steps in which cuDNN chooses, and ours are recorded


class Bench:
    """Holds one network at a time. Results travel to another process, so they are plain numbers, lists and dicts."""

    def __init__(self, side: str, device: str) -> None:
        # by its number, as a run has it: tensors say so, and "cuda" is not equal to it
        self.device = torch.device(device, 0) if device == "cuda" else torch.device(device)
        self.on_gpu = torch.device(device).type == "cuda"
        self.steps: Iterator[None] | None = None
        self.compiled, self.begun = False, False
        if self.on_gpu:
            torch.zeros(1, device=self.device)  # the context takes seconds
        torch.backends.cudnn.benchmark = True  # as all three scripts have it
        self.module = importlib.import_module(MODULES[side])

    def versions(self) -> dict[str, str]:
        found = {"card": "CPU", "torch": torch.__version__, "torchvision": torchvision.__version__}
        if self.on_gpu:
            found |= {"card": torch.cuda.get_device_name(self.device), "CUDA": str(torch.version.cuda)}
            found["cuDNN"] = str(torch.backends.cudnn.version())
        return found

    def build(self, row: Row) -> None:
        """A network that is compiled also makes its first steps."""
        self.free()
        self.steps, self.compiled = self.module.steps(row, self.device), row.compile
        if row.compile:
            self.run(WARMUP)
            self.give_back()

    def turn(self, seconds: float, least: int, warmup: int, profiled: int = 0) -> dict[str, float]:
        """Some `seconds` of steps, `least` at least: seconds of a step, and MiB that torch reserved at the peak,
        those of recorded graphs among them.

        warmup: steps that do not count, 1 at least: memory was given back after the turn before.
        profiled: so many steps, or what half a second has room for, are then looked into.
        """
        if not self.begun:
            self.run(FIRST if self.on_gpu else 0)
            self.begun = True
        self.run(warmup - 1)
        count = max(least, math.ceil(seconds / self.run(1)))
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        found = {"seconds": self.run(count) / count}
        if self.on_gpu:
            found["mib"] = torch.cuda.max_memory_reserved(self.device) / 2**20
            if profiled:
                found |= self.profile(min(profiled, max(2, math.ceil(0.5 / found["seconds"]))))
        self.give_back()
        return found

    def run(self, count: int) -> float:
        """Seconds of so many steps."""
        synchronize(self.device)
        start = time.perf_counter()
        for _ in range(count):
            next(self.steps)
        synchronize(self.device)
        return time.perf_counter() - start

    def profile(self, count: int) -> dict[str, float]:
        """Of a step, by the GPU's own clock: milliseconds busy and idle, and how many kernels, copies and fills."""
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            self.run(count)
        intervals = on_device(profiler)
        span = max(end for _, end in intervals) - intervals[0][0]
        busy = union(intervals)
        per_step = 1e6 * count  # nanoseconds of all steps to milliseconds of one
        return {"busy_ms": busy / per_step, "idle_ms": (span - busy) / per_step, "kernels": len(intervals) / count}

    def host(self, row: Row, count: int) -> dict[str, Any]:
        """Where the host's time goes in a step of ours."""
        from benchmarks.gpu_host import breakdown

        self.free()
        return breakdown(row, self.device, count)

    def loader(self, loading: Loading) -> float:
        """Images a second of the loader alone, up to normalised images on the device."""
        self.free()
        return self.module.loader_speed(loading, self.device)

    def epoch(self, row: Row, loading: Loading) -> dict[str, float]:
        self.free()
        return self.module.epoch(row, loading, self.device)

    def free(self) -> None:
        if self.compiled:
            torch.compiler.reset()
        self.steps, self.compiled, self.begun = None, False, False
        gc.collect()
        if self.on_gpu:
            give_back_cublas_memory()  # of the row before, on all sides
        self.give_back()
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)

    def give_back(self) -> None:
        """Leave the memory that is not in use to the other processes."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()


def on_device(profiler: profile) -> list[tuple[int, int]]:
    """(start, end) of each kernel, copy and fill on the GPU, in nanoseconds, in their order."""
    events = profiler.profiler.kineto_results.events()  # profiler.events() would take a tenth of a millisecond for each
    on_gpu = [event for event in events if event.device_type() == DeviceType.CUDA and not event.is_user_annotation()]
    return sorted((event.start_ns(), event.end_ns()) for event in on_gpu)


def union(intervals: list[tuple[int, int]]) -> float:
    """The length that the intervals (start, end) cover together."""
    covered, reached = 0.0, -math.inf
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered
