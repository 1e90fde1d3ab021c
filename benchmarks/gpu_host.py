"""Where the host's time goes in a training step of ours: its phases, what each launches, and the dearest operators."""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from typing import Any
from unittest.mock import patch

from utils.timing import synchronize
from utils.training import engine
from utils.training.account import Account
from utils.training.snapshot import Snapshot
from utils.training.state import Progress, Recipe, TrainState

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.gpu_ours import parts, synthetic, warn
from benchmarks.gpu_row import Row

FUNCTIONS = {  # of the engine -> the phase that a call of it is
    "training_input": "input: normalise, erase, mix",
    "seed_network": "seeds",
    "clipped_norm": "norm of the gradients",
    "step_unless": "optimizer",
    "Snapshot": "statistics copied",
}
LAUNCHES = "LaunchKernel", "cudaMemcpyAsync", "cudaMemsetAsync"  # parts of names of calls to the driver
PROFILED, TOP = 3, 15  # steps; operators that are named
WARMUP = 5


class Phases:
    """Adds up the host's seconds in each phase, and names phases to the profiler."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, phase: str, function: Callable) -> Callable:
        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            with record_function(phase):
                result = function(*arguments, **options)
            self.seconds[phase] += time.perf_counter() - start
            return result

        return call


def breakdown(row: Row, device: torch.device, count: int) -> dict[str, Any]:
    """Milliseconds and launches of each phase of a step, and (operator, milliseconds, calls) a step of the dearest."""
    state, network, recipe = parts(replace(row, cuda_graphs="none"), device)  # in a graph, nothing has phases
    phases = Phases()
    batch = synthetic(row, device)
    with ExitStack() as patches:
        step = _phased_step(phases, patches, state, network, recipe)
        host = _host_times(phases, lambda: step(batch), device, count)
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        with profile(activities=kinds) as profiler:
            for _ in range(PROFILED):
                step(batch)
            synchronize(device)
    launches = _launches(profiler.events(), list(host["phases"]))
    host["phases"] = {phase: (ms, launches[phase] / PROFILED) for phase, ms in host["phases"].items()}
    dearest = sorted(profiler.key_averages(), key=lambda operator: -operator.self_cpu_time_total)
    dearest = [operator for operator in dearest if operator.key not in host["phases"]][:TOP]
    host["operators"] = [(op.key, op.self_cpu_time_total / 1e3 / PROFILED, op.count / PROFILED) for op in dearest]
    return host


def _phased_step(
    phases: Phases, patches: ExitStack, state: TrainState, network: nn.Module, recipe: Recipe
) -> Callable[[Any], None]:
    """A step and its account, in which each phase is timed; `patches` undoes what it replaces."""
    timed = phases.timed
    for name, phase in FUNCTIONS.items():
        patches.enter_context(patch.object(engine, name, timed(phase, getattr(engine, name))))
    others = [
        (state.optimizer, "zero_grad", "zero_grad"),
        (Snapshot, "restore_where", "statistics kept"),
        (torch.Tensor, "backward", "backward"),
        (state.scheduler, "step", "schedule"),
        *([(state.ema, "update", "average of the weights")] if state.ema else []),
    ]
    for owner, name, phase in others:
        patches.enter_context(patch.object(owner, name, timed(phase, getattr(owner, name))))
    recipe = replace(recipe, objective=timed("loss", recipe.objective))
    forward = timed("forward", network.__call__)
    account = Account(Progress(), str, overflows=False, warn=warn)
    add = timed("account: waits for the step before", account.add)
    return lambda batch: add(engine.train_step(state, forward, [batch], recipe, None), [batch])


def _host_times(phases: Phases, step: Callable[[], None], device: torch.device, count: int) -> dict[str, Any]:
    """Milliseconds of the host a step: in all, between two steps that the device has finished, and in each phase."""
    for _ in range(WARMUP):
        step()
    synchronize(device)
    phases.seconds.clear()
    start = time.perf_counter()
    for _ in range(count):
        step()
    host = time.perf_counter() - start
    synchronize(device)
    whole = time.perf_counter() - start
    times = {phase: 1e3 * seconds / count for phase, seconds in phases.seconds.items()}
    times["rest"] = 1e3 * host / count - sum(times.values())
    return {"host_ms": 1e3 * host / count, "step_ms": 1e3 * whole / count, "phases": times}


def _launches(events: list[FunctionEvent], phases: list[str]) -> dict[str, int]:
    """What was handed to the GPU during each phase, by any thread: the backward pass has one of its own."""
    on_host = [event for event in events if event.device_type == DeviceType.CPU]
    starts = sorted(event.time_range.start for event in on_host if any(name in event.name for name in LAUNCHES))
    found = dict.fromkeys(phases, 0)
    for event in on_host:
        if event.name in found:
            found[event.name] += bisect_left(starts, event.time_range.end) - bisect_left(starts, event.time_range.start)
    found["rest"] = len(starts) - sum(found.values())
    return found
