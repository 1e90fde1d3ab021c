"""The learning rate as a function of the optimizer step, without hidden state.

Warm-up and cosine move at every step; step_lr and exponential_lr fall between epochs. Training, its resume and the
picture scheduler.jpg all take it from `learning_rate`.
"""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ..torch_private import remember_rates

WARMUP_START, WARMUP_HOLD = 0.05, 1 / 3  # shares of init_lr: where 'linear' starts, what 'constant' holds


def learning_rate(config: Any, step: int, steps_per_epoch: int) -> float:
    """The rate of optimizer step `step`, 0 .. epochs * steps_per_epoch.

    config: a TrainConfig; read are epochs, init_lr, min_lr, warmup_epochs, warmup_type, scheduler_type, steps, gamma.
    """
    epoch = step / steps_per_epoch
    if epoch < config.warmup_epochs:
        return config.init_lr * WARMUPS[config.warmup_type](epoch / config.warmup_epochs)
    return SCHEDULES[config.scheduler_type](config, epoch, int(step // steps_per_epoch))


def _cosine(config: Any, epoch: float, whole: int) -> float:
    """https://arxiv.org/abs/1608.03983, equation 5, without restarts."""
    done = min(1.0, (epoch - config.warmup_epochs) / (config.epochs - config.warmup_epochs))
    return config.min_lr + (config.init_lr - config.min_lr) * (1 + math.cos(math.pi * done)) / 2


def _step(config: Any, epoch: float, whole: int) -> float:
    return config.init_lr * config.gamma ** sum(whole >= step + config.warmup_epochs for step in config.steps)


def _exponential(config: Any, epoch: float, whole: int) -> float:
    return config.init_lr * config.gamma ** (whole - int(config.warmup_epochs))  # from the next epoch on


# scheduler_type -> the rate after the warm-up, from the config, the epoch (0 ..) and its whole part; warmup_type -> the
# share of init_lr, from the share of the warm-up that is done. An entry is all that a new one needs.
SCHEDULES: dict[str, Callable[[Any, float, int], float]] = {
    "cosine_lr": _cosine,
    "step_lr": _step,
    "exponential_lr": _exponential,
}
WARMUPS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: WARMUP_START + (1 - WARMUP_START) * done,
    "constant": lambda done: WARMUP_HOLD,
}


def set_rates(scheduler: LambdaLR) -> None:
    """The learning rates of the scheduler's step, as its own step() computes them."""
    rates = [base * rate(scheduler.last_epoch) for base, rate in zip(scheduler.base_lrs, scheduler.lr_lambdas)]
    remember_rates(scheduler, rates)
    for group, rate in zip(scheduler.optimizer.param_groups, rates):
        group["lr"] = rate


def lay_anew(scheduler: LambdaLR, config: Any, steps_per_epoch: int) -> None:
    """The schedule of another config, from the step where it is."""
    scheduler.lr_lambdas = [_share(config, steps_per_epoch)] * len(scheduler.lr_lambdas)
    set_rates(scheduler)


def make_scheduler(optimizer: Optimizer, config: Any, steps_per_epoch: int) -> LambdaLR:
    """`learning_rate` in the shape of a torch scheduler, to be stepped after each optimizer step."""
    return LambdaLR(optimizer, _share(config, steps_per_epoch))


def _share(config: Any, steps_per_epoch: int) -> Callable[[int], float]:
    """Of the first rate, at each step."""
    return lambda step: learning_rate(config, step, steps_per_epoch) / config.init_lr
