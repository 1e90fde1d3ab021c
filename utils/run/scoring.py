"""The figures of a network's weights on val: at the end of an epoch, and by itself with only_val."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from .. import distributed
from ..data.batches import ImageLoader
from ..training.evaluate import evaluate_classes
from ..training.metrics import Evaluation, Metrics, metrics_from
from ..training.state import Recipe
from ..weights.best import Best

PREFIXES = {"net": "", "net_ema": "ema_"}  # of the columns of results.csv


@dataclass(frozen=True)
class Scored:
    """One set of weights. `weights` is its key in the checkpoint: 'net' or 'net_ema'."""

    weights: str
    evaluation: Evaluation
    metrics: Metrics

    def best(self, epoch: int) -> Best:
        """Its entry in the comparison of epochs."""
        return Best(epoch, self.metrics.accuracy, self.evaluation.loss, self.weights)

    def columns(self) -> dict[str, float]:
        prefix = PREFIXES[self.weights]
        return {f"{prefix}{name}": value for name, value in self.metrics.summary(self.evaluation.loss).items()}


def score(
    models: dict[str, nn.Module],
    loader: ImageLoader,
    recipe: Recipe,
    num_classes: int,
    *,
    stop: Callable[[], None] = lambda: None,
) -> list[Scored]:
    """Each model, by its key in the checkpoint, over all of `loader`, on every rank with the buffers of rank 0.

    stop: called after every batch on all ranks; it may raise on all of them.
    """
    for model in models.values():
        distributed.share_buffers(model)
    found = evaluate_classes(list(models.values()), loader, recipe, num_classes, stop=stop)
    return [Scored(name, each, metrics_from(each.confusion.numpy())) for name, each in zip(models, found)]
