"""The end of a run: what is stored of its images in best.pth, so that a prediction can say that it knows no such."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..config.keys import TrainConfig
from ..data.loaders import evaluation_loader
from ..data.preprocess import Preprocess
from ..data.source import Sample, Source, Splits
from ..training.evaluate import evaluate
from ..training.features import AllFeatures, FeatureTap
from ..training.known import Known, most_rows
from ..training.metrics import Answers
from ..training.state import Recipe

MOST_OF_VAL = 10_000  # images whose distances decide
MOST_TIME = 0.01  # share of the training's that showing train once more may take
PASSES = 3  # that a step of training is worth: forward, and twice as much backward
LEAST_OF_TRAIN = 500  # images, whatever that takes


def images_of_train(config: TrainConfig, splits: Splits) -> int:
    """How many `Knowing.see_train` shows, as far as a network of 512 features goes."""
    return most_of_train(config, len(splits.training), 512) if config.keep_features else 0


def most_of_train(config: TrainConfig, images: int, width: int) -> int:
    """Of so many images with `width` features: those that the checkpoint and MOST_TIME have room for."""
    quick = max(LEAST_OF_TRAIN, int(MOST_TIME * PASSES * config.epochs * images))
    return min(images, most_rows(width), quick)


class Knowing:
    """Listens to a network while train, or a sample of it, and then val are shown to it."""

    def __init__(self, model: nn.Module, config: TrainConfig, recipe: Recipe) -> None:
        self.model, self.config, self.recipe = model, config, recipe
        self.tap = FeatureTap(model)
        self.of_train: Tensor | None = None
        self.val: AllFeatures | None = None

    def see_train(self, train: Source, preprocess: Preprocess, stop: Callable[[], None]) -> None:
        """On all ranks. stop: called after every batch or every few; it may raise."""
        most = most_of_train(self.config, len(train), self.tap.width)
        sample = Sample.of(train, most, self.config.seed)
        meter = AllFeatures(self.tap, self.recipe.device, torch.ones(len(sample), dtype=torch.bool))
        loader = evaluation_loader(self.config, sample, preprocess, self.recipe.device)
        evaluate([self.model], loader, self.recipe, [[meter]], stop=stop, name="features of train")
        self.of_train = meter.result()

    def meter_of(self, val: Source) -> AllFeatures:
        """To be used once, by an evaluation of val."""
        wanted = torch.zeros(len(val), dtype=torch.bool)
        wanted[torch.from_numpy(Sample.of(val, MOST_OF_VAL, self.config.seed).places)] = True
        self.val = AllFeatures(self.tap, self.recipe.device, wanted)
        return self.val

    def result(self, answers: Answers, temperature: float) -> Known | None:
        """On rank 0, once both were seen; None where too few images could be read.  answers: of val."""
        self.tap.remove()
        of_val = self.val.result() if self.val else None
        if self.of_train is None or of_val is None or not len(self.of_train) or not len(of_val):
            return None
        shares = (torch.from_numpy(answers.logits) / temperature).softmax(1)
        found = Known.of(self.of_train, of_val, shares.amax(1))
        return found if found.features.isfinite().all() else None
