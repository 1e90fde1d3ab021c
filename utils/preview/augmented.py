"""What a network sees under a config, through the very code that training and validation read their batches with."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..config import TrainConfig
from ..data.batches import Batch, ImageLoader, read
from ..data.images import decode
from ..data.loaders import Share, make_loader, train_loader, val_loader
from ..data.pixels import denormalise, to_tensor
from ..data.preprocess import Preprocess
from ..data.samplers import TrainBatches
from ..data.source import Splits
from ..training.build import make_mixer
from ..training.engine import training_input
from ..training.state import Recipe

ALONE: Share = {"rank": 0, "world_size": 1, "workers": 0, "pin": False}  # a single process that reads by itself


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray  # (H, W, 3) uint8
    shares: dict[int, float]  # class -> its share of the label, adding up to 1


@dataclass(frozen=True)
class Section:
    """Rows of pictures under one title; `headings` are those of the columns, if there are any."""

    title: str
    headings: list[str]
    rows: list[list[Picture]]


def preview(config: TrainConfig, splits: Splits, *, images: int, epochs: int) -> list[Section]:
    """So many images of train, each as it is, as validation would see it and as the first epochs do; then the first
    batch that mixup changes, and the first that cutmix does, where the config mixes.

    Raises UnreadableError at a file that cannot be read, unless the config leaves such files out.
    """
    epochs = min(epochs, config.epochs)
    return [drawn_anew(config, splits, images, epochs), *mixed(config, splits, epochs + 2)]


def drawn_anew(config: TrainConfig, splits: Splits, count: int, epochs: int) -> Section:
    """`count` images spread evenly over the sorted list, and so over the classes; one a row."""
    indices = np.unique(np.linspace(0, len(splits.training) - 1, count).round().astype(int)).tolist()
    in_training = train_loader(config, splits.training, **ALONE).dataset
    in_validation = val_loader(config, splits.training, Preprocess.from_config(config), **ALONE).dataset
    each_epoch = [[(epoch, index) for epoch in range(epochs)] for index in indices]
    batches = zip(
        read(make_loader(in_training, each_epoch, config, workers=0, pin=False)),
        read(make_loader(in_validation, [[(0, index)] for index in indices], config, workers=0, pin=False)),
    )
    rows = [_row(config, splits, *pair) for pair in batches if len(pair[0].targets)]  # else left out as unreadable
    headings = ["original", "in validation", *(f"epoch {epoch + 1}" for epoch in range(epochs))]
    return Section("Images of train: crop, flip, policy and erasing are drawn anew in each epoch", headings, rows)


def _row(config: TrainConfig, splits: Splits, in_training: Batch, in_validation: Batch) -> list[Picture]:
    """One image: itself, in validation, in each epoch."""
    recipe = _recipe(config)
    [index] = in_validation.indices.tolist()
    pixels = to_tensor(decode(splits.training.open(index))).numpy()
    original = Picture(pixels, {int(in_validation.targets[0]): 1.0})
    validated = recipe.to_device(in_validation.images, in_validation.targets)
    trained = training_input(in_training, recipe, None, step=0, part=0)
    return [original, *_pictures(config, *validated), *_pictures(config, *trained)]


def mixed(config: TrainConfig, splits: Splits, count: int) -> list[Section]:
    """The first `count` images of the first batch of each kind that is mixed."""
    loader = train_loader(config, splits.training, **ALONE)
    sections = []
    for kind, epoch, place in first_mixes(config, loader, len(splits.classes)):
        cast(TrainBatches, loader.batch_sampler).set_epoch(epoch, place)
        with contextlib.closing(read(loader)) as stream:
            batch = next(stream)
        if len(batch.targets):
            step, part = _step_of(config, loader, epoch, place)
            mixer = make_mixer(config, len(splits.classes), epoch)
            images, targets = training_input(batch, _recipe(config), mixer, step=step, part=part)
            title = f"{kind}: the first images of batch {place + 1} of epoch {epoch + 1}, with their soft labels"
            sections.append(Section(title, [], [_pictures(config, images[:count], targets[:count])]))
    return sections


def first_mixes(config: TrainConfig, loader: ImageLoader, num_classes: int) -> Iterator[tuple[str, int, int]]:
    """(kind, epoch, place of the batch in it), both from 0: the first batch of each kind over the whole run."""
    missing = {name for name in ("mixup", "cutmix") if getattr(config, f"{name}_prob") > 0}
    for epoch in range(config.epochs):
        mixer = make_mixer(config, num_classes, epoch)
        if mixer is None or not missing:
            return
        for place in range(len(loader)):
            step, part = _step_of(config, loader, epoch, place)
            if (kind := mixer.kind(step=step, part=part, rank=0)) in missing:
                missing.remove(kind)
                yield kind, epoch, place


def _step_of(config: TrainConfig, loader: ImageLoader, epoch: int, place: int) -> tuple[int, int]:
    """The optimizer step that a batch of an epoch belongs to, and its place among the batches of that step."""
    steps_per_epoch = -(-len(loader) // config.accumulate_steps)
    step, part = divmod(place, config.accumulate_steps)
    return epoch * steps_per_epoch + step, part


def _recipe(config: TrainConfig) -> Recipe:
    return Recipe(torch.device("cpu"), config.mean, config.std)


def _pictures(config: TrainConfig, images: Tensor, targets: Tensor) -> list[Picture]:
    """(N, 3, H, W) normalised images with (N,) classes or (N, K) shares."""
    labels = [
        {int(target): 1.0} if target.ndim == 0 else {int(i): float(target[i]) for i in target.nonzero()}
        for target in targets
    ]
    return [
        Picture(pixels.numpy(), shares) for pixels, shares in zip(denormalise(images, config.mean, config.std), labels)
    ]
