"""How long calls take, side by side: alternating rounds, so that other work on the machine meets all of them alike.

seconds = interleaved({"ours": ours, "theirs": theirs}, rounds=9)    # {name: seconds of each round}
Spread.of(seconds["ours"])                                          # 12.1 ms [11.8 .. 13.0]
Spread.of(ratios(seconds["theirs"], seconds["ours"])).median        # how many times faster ours is
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Spread:
    """The median of some measurements with their 10th and 90th percentile; seconds, ratios or whatever they are."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Raises ValueError if there is no value."""
        return cls(*(percentile(values, share) for share in (50, 10, 90)))

    def __str__(self) -> str:
        """Of seconds: 12.1 ms [11.8 .. 13.0], or 2.50 s [2.41 .. 2.66] from one second on."""
        scale, unit = (1.0, "s") if self.median >= 1 else (1e3, "ms")
        median, low, high = (f"{scale * value:#.3g}" for value in (self.median, self.low, self.high))
        return f"{median} {unit} [{low} .. {high}]"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` percent (0..100) of `values` lie below. Raises ValueError if there is none."""
    if not len(values):
        raise ValueError("percentile: no values")
    return float(np.percentile(values, share))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio in each round: both sides of it were measured within moments."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def interleaved(
    callables: Mapping[str, Callable[[], Any]], *, rounds: int, warmup: int = 1, device: torch.device | str = "cpu"
) -> dict[str, list[float]]:
    """Seconds of one call of each, `rounds` times in turn: a b c, c b a, a b c, ...

    warmup: calls of each beforehand that do not count. device: waited for before each reading of the clock.
    """
    for function in callables.values():
        for _ in range(warmup):
            function()
    seconds: dict[str, list[float]] = {name: [] for name in callables}
    order = list(callables.items())
    for _ in range(rounds):
        for name, function in order:
            seconds[name].append(timed(function, device=device))
        order.reverse()  # so that none always follows the same other
    return seconds


def timed(function: Callable[[], Any], *, device: torch.device | str = "cpu") -> float:
    """Seconds of one call, until the device has finished what it started."""
    synchronize(device)
    start = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device | str) -> None:
    """Wait for the work queued on a GPU; a CPU queues none."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within: torch computes on so many CPU threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
