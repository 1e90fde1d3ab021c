"""How many epochs max_minutes leaves time for, by a trial before the first."""

import contextlib
import time
from collections.abc import Callable

import torch

from .. import distributed
from ..config.keys import TrainConfig
from ..data.source import Splits
from ..log import unsaid
from ..training.build import make_mixer
from ..training.engine import StepHooks, train_one_epoch
from ..training.state import Progress, exchange_every
from .begin import Parts, assemble
from .final import seconds_of_conclusion
from .known import images_of_train
from .scoring import score
from .time_limit import TimeLimit

TRIAL_SHARE, LONGEST_TRIAL = 0.03, 20.0  # of the minutes, and seconds, that each half of the trial takes at most
FIRST_STEPS = 2  # are slower than the others: loaders start, memory is found
RESERVE = 0.97  # share of what is left that is planned with


def affordable_epochs(config: TrainConfig, splits: Splits, device: torch.device, limit: TimeLimit) -> int:
    """How many epochs `limit` leaves time for, at least 1: by the first steps of one and a part of an evaluation.

    config: without 'auto' keys. Nothing that it computes is kept.
    """
    with unsaid():  # of what a run is made of, which is put together again for the run itself
        parts = assemble(config, splits, device)
    trial = min(limit.max_seconds * TRIAL_SHARE, LONGEST_TRIAL)
    evaluation = _seconds_of_evaluation(parts, trial)
    limit.reserve = seconds_of_conclusion(
        splits, evaluation, 1 if parts.state.ema is None else 2, images_of_train(config, splits)
    )
    seconds = _seconds_of_training(parts, trial) + evaluation
    once = evaluation * len(splits.training) / len(splits.val) if config.head_init == "probe" else 0.0
    return distributed.from_main(max(1, int((RESERVE * limit.left - once) / seconds)))


class _Enough(Exception):
    """The trial has seen enough, on every rank alike."""


class _Trial(StepHooks):
    """Measures steps after the first few, for about so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.start = seconds, time.perf_counter()
        self.steps = 0  # measured

    def stop(self) -> bool:
        return self.steps > 0 and time.perf_counter() - self.start > self.seconds

    def after_step(self, settled: Callable[[], Progress], stopping: bool) -> None:
        self.steps += 1
        if self.steps == FIRST_STEPS:
            settled()
            self.start = time.perf_counter()
        if stopping and self.steps > FIRST_STEPS:
            settled()
            raise _Enough

    def seconds_of(self, steps: int) -> float:
        measured = self.steps - FIRST_STEPS if self.steps > FIRST_STEPS else max(1, self.steps)
        return (time.perf_counter() - self.start) / measured * steps


def _seconds_of_training(parts: Parts, seconds: float) -> float:
    """Of an epoch."""
    config, hooks = parts.config, _Trial(seconds)
    network = distributed.parallel(parts.state.model, parts.recipe.device)
    mixer = make_mixer(config, len(parts.splits.classes), 0)
    with contextlib.suppress(_Enough):
        train_one_epoch(parts.state, network, parts.train_loader, parts.recipe, mixer, Progress(), hooks=hooks)
    return hooks.seconds_of(parts.steps_per_epoch)


def _seconds_of_evaluation(parts: Parts, seconds: float) -> float:
    """Of raw and averaged weights over val."""
    averaged = {} if parts.state.ema is None else {"net_ema": parts.state.ema.model}
    start, batches = time.perf_counter(), 0

    def stop() -> None:
        nonlocal batches
        batches += exchange_every(parts.recipe.device)
        if distributed.any_rank(time.perf_counter() - start > seconds, parts.recipe.device):
            raise _Enough

    with contextlib.suppress(_Enough):
        score(
            {"net": parts.state.model, **averaged}, parts.val_loader, parts.recipe, len(parts.splits.classes), stop=stop
        )
        batches = len(parts.val_loader)
    return (time.perf_counter() - start) * len(parts.val_loader) / max(1, batches)
