"""An evaluation: networks over one pass of a loader, each with meters of its own."""

import contextlib
import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn

from .. import distributed
from ..data.batches import NO_IMAGES, Batch, ImageLoader, read
from .answers import AllLogits
from .bars import progress_bar
from .meters import Confusion, MeanLoss, Meter
from .metrics import Evaluation
from .state import Recipe, exchange_every
from .views import MeanOfViews, Uncalibrated


@torch.inference_mode()
def evaluate(
    models: Sequence[nn.Module],
    loader: ImageLoader,
    recipe: Recipe,
    meters: Sequence[Sequence[Meter]],
    *,
    stop: Callable[[], None] = lambda: None,
    name: str = "val",
) -> list[tuple[int, str]]:
    """Show every image to each model once, whatever the number of processes, and its logits to that model's meters.

    meters: of each model; afterwards they hold the figures over all ranks.
    stop: called after every batch or every few, and equally often on every rank; it may raise on all of them.
    Returns (index, reason) of the images that could not be read.
    """
    bad = []
    for model in models:
        model.eval()
    rounds = max(distributed.gather(len(loader)))
    with contextlib.closing(read(loader)) as stream:
        in_step = itertools.chain(stream, itertools.repeat(NO_IMAGES, rounds - len(loader)))
        for number, batch in enumerate(progress_bar(in_step, rounds, name, lambda batch: len(batch.targets)), 1):
            bad += batch.bad
            if len(batch.targets):
                _show(models, batch, recipe, meters)
            if number % exchange_every(recipe.device) == 0:
                stop()
    for meter in itertools.chain(*meters):
        meter.reduce()
    return sorted(item for items in distributed.gather(bad) for item in items)


def _show(models: Sequence[nn.Module], batch: Batch, recipe: Recipe, meters: Sequence[Sequence[Meter]]) -> None:
    images, targets = recipe.to_device(batch.images, batch.targets)
    for model, own in zip(models, meters):
        with recipe.autocast():
            logits = model(images).float()
        for meter in own:
            meter.update(batch._replace(targets=targets), logits)


def evaluate_classes(
    models: Sequence[nn.Module],
    loader: ImageLoader,
    recipe: Recipe,
    num_classes: int,
    *,
    stop: Callable[[], None] = lambda: None,
    answers: bool = False,
    name: str = "val",
) -> list[Evaluation]:
    """`evaluate` with the loss and the confusion matrix of each model, and if asked for the `answers` to each image."""
    found = [_Figures(model, num_classes, recipe.device, answers=answers) for model in models]
    bad = evaluate(models, loader, recipe, [each.meters for each in found], stop=stop, name=name)
    return [each.result(bad) for each in found]


class _Figures:
    """The meters of one model. A loss is always that before calibration."""

    def __init__(self, model: nn.Module, num_classes: int, device: torch.device, *, answers: bool) -> None:
        self.confusion = Confusion(num_classes, device)
        self.loss: Meter = MeanLoss(device)
        self.answers = AllLogits(num_classes, device) if answers else None
        self.uncalibrated: Meter | None = None
        if isinstance(model, MeanOfViews) and model.temperature != 1:
            self.loss = Uncalibrated(model, self.loss)
            self.uncalibrated = Uncalibrated(model, AllLogits(num_classes, device)) if answers else None
        every = self.loss, self.confusion, self.answers, self.uncalibrated
        self.meters = [meter for meter in every if meter is not None]

    def result(self, bad: list[tuple[int, str]]) -> Evaluation:
        """bad: the images that were left out."""
        answers = self.answers.result() if self.answers else None
        uncalibrated = self.uncalibrated.result() if self.uncalibrated else None
        return Evaluation(self.loss.result(), self.confusion.result(), bad, answers, uncalibrated)
