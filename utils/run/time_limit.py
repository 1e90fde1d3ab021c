"""max_minutes: how many epochs fit, by the clock."""

import math
import time
from dataclasses import dataclass, replace

from .. import distributed
from ..config.keys import TrainConfig
from ..recipe.length import fitted

GROWTH = 1.25  # from so many times the planned epochs on, more are worth another schedule


def with_epochs(config: TrainConfig, epochs: int) -> TrainConfig:
    """`config` with so many epochs, or the few more that its schedule needs to fall; what goes by them fits in."""
    if config.scheduler_type == "step_lr" and config.steps:
        warmup = fitted(replace(config, epochs=epochs)).warmup_epochs
        epochs = max(epochs, math.ceil(min(config.steps) + warmup) + 1)
    return fitted(replace(config, epochs=epochs))


@dataclass
class TimeLimit:
    """Seconds since the process began to work, against those of the config; `max_seconds` 0 is no limit."""

    max_seconds: float
    start: float
    reserve: float = 0.0  # seconds for what comes after the last epoch

    @classmethod
    def begin(cls, config: TrainConfig, start: float | None = None) -> "TimeLimit":
        """start: of the process, by time.monotonic(); None is now."""
        return cls(60 * config.max_minutes, time.monotonic() if start is None else start)

    @property
    def left(self) -> float:
        """Seconds for epochs."""
        return self.max_seconds - self.reserve - (time.monotonic() - self.start)

    def spent_before(self, seconds: float) -> None:
        """By the run before it was stopped."""
        self.start -= seconds

    def epochs_in_all(self, finished: int, planned: int, seconds: float) -> int:
        """How many there should be, `finished` of them done, where one takes `seconds`; the same on every rank.

        More than `planned` only in the first half, where the schedule has not fallen far.
        """
        fitting = finished + max(0, int(self.left / seconds)) if seconds else planned
        grows = fitting > planned * GROWTH and 2 * finished <= planned
        return distributed.from_main(fitting if fitting < planned or grows else planned)
