"""How long a run is, and what goes by that alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.keys import TrainConfig
from .registry import Found, clamped, rounded, rule

if TYPE_CHECKING:
    from .facts import Facts

STEPS = 24  # of an epoch, about
WARMUP = 0.1  # share of the run
STRIDE = 32  # most networks shrink pictures by so much
SEEN_OFTEN = 30  # epochs from which on a network without weights gains from policies and strong crops
LEAST_SIDE = 64  # to which pictures shrink so that more epochs fit
FALLS = (0.3, 0.6, 0.9)  # shares of what follows the warm-up: of 100 epochs without one, after 30, 60 and 90


@rule
def batch_size(f: Facts, c: TrainConfig) -> Found:
    """AutoGluon's and fastai's are of this size. On a CPU a step's own cost, of weights and average, counts as well."""
    low, high = (16, 64) if f.device == "cpu" else (16, 128)
    share = f.images / STEPS / f.processes / c.accumulate_steps
    size = 2 ** round(math.log2(clamped(share, low, high)))
    return size, f"about {STEPS} steps an epoch for {f.images:,} pictures, within {low}..{high}"


@rule
def epochs(f: Facts, c: TrainConfig) -> Found:
    if f.affordable_epochs is not None:
        return f.affordable_epochs, f"as many as max_minutes = {c.max_minutes:g} leaves time for"
    pictures, low, high = _length(f)
    count = int(clamped(pictures / f.images, low, high))
    return count, f"{pictures:,} pictures in all, {f.images:,} an epoch, but {low}..{high} epochs"


def _length(f: Facts) -> tuple[int, int, int]:
    """(pictures that are seen in all, fewest epochs, most). A CPU sees hundreds a second where a GPU sees thousands."""
    if f.expected:
        return 60_000, 5, 30
    return (18_000, 12, 100) if f.device == "cpu" else (600_000, 15, 200)


@rule
def warmup_epochs(f: Facts, c: TrainConfig) -> Found:
    return warmup_of(c.epochs), "a tenth of the run"


def side_for(epochs: int, side: int) -> int:
    """The side of square pictures with which SEEN_OFTEN epochs fit a time in which `epochs` of `side` do.

    It is a multiple of STRIDE, and at least LEAST_SIDE or `side`, which is what it is where nothing has to shrink.
    docs/recipe.md has both.
    """
    sides = range(STRIDE * ((side - 1) // STRIDE), LEAST_SIDE - 1, -STRIDE)
    if epochs >= SEEN_OFTEN or not sides:
        return side
    return next((smaller for smaller in sides if epochs * (side / smaller) ** 2 >= SEEN_OFTEN), sides[-1])


def warmup_of(epochs: int) -> float:
    return rounded(epochs * WARMUP)


@rule
def steps(f: Facts, c: TrainConfig) -> Found:
    if c.scheduler_type != "step_lr":
        return falls_of(c.epochs, c.warmup_epochs), "of step_lr alone"
    if not (found := falls_of(c.epochs, c.warmup_epochs)):
        return found, "the run is too short for the learning rate to fall"
    return found, "at three, six and nine tenths of what follows the warm-up"


def falls_of(epochs: int, warmup_epochs: float) -> tuple[int, ...]:
    """Epochs after the warm-up at which step_lr falls, the last epoch of the run at the latest; none in a short run."""
    found = {max(1, int(share * (epochs - warmup_epochs))) for share in FALLS}
    return tuple(sorted(step for step in found if step + warmup_epochs <= epochs - 1))


def fitted(config: TrainConfig) -> TrainConfig:
    """`config` with what goes by its number of epochs within them: for a run that gets another number.

    Nothing in it is 'auto'.
    """
    epochs, warmup, falls = config.epochs, config.warmup_epochs, config.steps
    if warmup >= epochs:
        warmup = warmup_of(epochs)
    if config.scheduler_type == "step_lr" and all(step + warmup > epochs - 1 for step in falls):
        falls = falls_of(epochs, warmup)
    within = {name: min(getattr(config, name), epochs - 1) for name in ("mix_off_epochs", "freeze_epochs")}
    return replace(config, warmup_epochs=warmup, steps=falls, **within)
