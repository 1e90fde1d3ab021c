"""The figures of a network's weights on val: at the end of an epoch, and by itself with only_val."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from .. import distributed
from ..data.batches import ImageLoader
from ..figures.confidence import log_probabilities
from ..figures.ranking import ranking
from ..training.evaluate import evaluate_classes
from ..training.metrics import COLUMNS, MONITORS, Answers, Evaluation, Metrics, metrics_from
from ..training.state import Recipe
from ..weights.best import Best

PREFIXES = {"net": "", "net_ema": "ema_"}  # of the columns of results.csv


@dataclass(frozen=True)
class Scored:
    """One set of weights. `weights` is its key in the checkpoint: 'net' or 'net_ema'."""

    weights: str
    evaluation: Evaluation
    metrics: Metrics
    macro_auc: float = float("nan")  # where it was asked for

    def best(self, epoch: int, monitor: str) -> Best:
        """Its entry in the comparison of epochs by the figure `monitor`, one of MONITORS."""
        return Best(epoch, self.figure(monitor), self.evaluation.loss, self.weights, monitor, MONITORS[monitor])

    def figure(self, monitor: str) -> float:
        figures = {"macro_f1": self.metrics.f1, "val_loss": self.evaluation.loss, "macro_auc": self.macro_auc}
        return figures[monitor] if monitor in figures else getattr(self.metrics, monitor)

    def columns(self, monitor: str = "accuracy") -> dict[str, float]:
        """Of results.csv; the figure `monitor` is among them."""
        figures = self.metrics.summary(self.evaluation.loss)
        figures.setdefault(COLUMNS.get(monitor, monitor), self.figure(monitor))
        return {f"{PREFIXES[self.weights]}{name}": value for name, value in figures.items()}


def score(
    models: dict[str, nn.Module],
    loader: ImageLoader,
    recipe: Recipe,
    num_classes: int,
    *,
    stop: Callable[[], None] = lambda: None,
    monitor: str = "accuracy",
    answers: bool = False,
    name: str = "val",
) -> list[Scored]:
    """Each model, by its key in the checkpoint, over all of `loader`, on every rank with the buffers of rank 0.

    stop: called after every batch on all ranks; it may raise on all of them.
    monitor: the figure that is wanted beside those which every evaluation has.
    answers: whether the logits of all images are wanted, on rank 0.
    name: of the folder of images.
    """
    for model in models.values():
        distributed.share_buffers(model)
    ranked = monitor == "macro_auc"
    every, networks = answers or ranked, list(models.values())
    found = evaluate_classes(networks, loader, recipe, num_classes, stop=stop, answers=every, name=name)
    areas = [_macro_auc(each.answers) if ranked else math.nan for each in found]
    confusions = [metrics_from(each.confusion.numpy()) for each in found]
    return [Scored(*each) for each in zip(models, found, confusions, areas)]


def _macro_auc(answers: Answers | None) -> float:
    """The same on every rank; NaN where no class has an area."""
    area = math.nan
    if answers is not None:
        area = ranking(np.exp(log_probabilities(answers.logits)), answers.targets).macro_auc
    return distributed.from_main(area)


def chosen(scored: list[Scored], epoch: int, monitor: str) -> tuple[Scored, Best]:
    """The better of the raw and the averaged weights of an epoch, with its entry in the comparison of epochs."""
    winner, best = scored[0], scored[0].best(epoch, monitor)
    for other in scored[1:]:
        if (entry := other.best(epoch, monitor)).beats(best):
            winner, best = other, entry
    return winner, best
