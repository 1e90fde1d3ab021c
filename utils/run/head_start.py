"""The head of a network before its first step: logistic regression on what its pretrained body makes of train."""

import time

import numpy as np
from torch import nn

from .. import distributed
from ..config.keys import TrainConfig
from ..data.loaders import evaluation_loader
from ..data.preprocess import Preprocess
from ..data.source import Source
from ..log import log
from ..probing.fit import Labelled, LinearClassifier, as_head, best_by_folds, check_finite, fit_path, most_folds
from ..probing.head import HeadInputs, needed_head, set_head
from ..text import listed
from ..training.evaluate import evaluate
from ..training.state import Recipe

FOLDS = 3
STRENGTH_OF_FEW = 0.01  # where folds cannot choose it
MOST_FOR_STRENGTH = 2000  # images that choose it


def start_at_probe(
    model: nn.Module, config: TrainConfig, images: Source, preprocess: Preprocess, recipe: Recipe
) -> None:
    """Fit the head on images of train as validation sees them, the strength chosen by folds of them.

    Fine-tuning from there spoils less of the body than from a random head: https://arxiv.org/abs/2202.10054. Raises
    WeightsError for a head that is no linear layer, and for weights that make features which are no numbers.
    """
    start = time.perf_counter()
    data = inputs_of_head(model, config, images, preprocess, recipe)
    check_finite(data.x, config.load_from or "the public weights")
    if len(np.unique(data.y)) < 2:
        log.warning("head_init: one class only, so that there is nothing to fit; the head begins at random")
        return
    classes = len(images.classes)
    warn_of_absent(images, data.y)
    classifier = distributed.from_main(fitted(data, classes, config.seed, start) if distributed.is_main() else None)
    assert classifier is not None  # rank 0 has fitted it
    set_head(model, classifier)


def warn_of_absent(images: Source, labels: np.ndarray) -> None:
    """Name the classes that a head learns nothing of. labels: of the images that could be read."""
    if absent := [images.classes[place] for place in np.setdiff1d(np.arange(len(images.classes)), labels)]:
        log.warning(f"no image of {listed(absent)} in {images.root} can be read, so that nothing is learnt of it")


def fitted(data: Labelled, classes: int, seed: int, start: float) -> LinearClassifier:
    """start: when it all began, by time.perf_counter()."""
    some = data.part(np.random.default_rng(seed).permutation(len(data.y))[:MOST_FOR_STRENGTH])
    strength, found = STRENGTH_OF_FEW, "too few images for folds"
    if (folds := min(FOLDS, most_folds(some.y))) > 1:
        strength, by_folds = best_by_folds(some, classes, folds, seed)
        found = f"accuracy {by_folds.metrics.accuracy:.4f} in {folds} folds of train"
    [classifier] = fit_path(data, classes, [strength])
    log.info(
        f"head: logistic regression on {data.x.shape[1]} features of {len(data.y):,} images, {found}, "
        f"{time.perf_counter() - start:.1f} s"
    )
    return as_head(classifier, data)


def inputs_of_head(
    model: nn.Module, config: TrainConfig, images: Source, preprocess: Preprocess, recipe: Recipe
) -> Labelled:
    """What the head is given for each image that can be read, on every rank."""
    loader = evaluation_loader(config, images, preprocess, recipe.device)
    meter = HeadInputs(needed_head(model))
    with meter.listening():
        evaluate([model], loader, recipe, [[meter]], name="head")
    values, indices = meter.result()
    return Labelled(values, images.targets[indices])
