"""Loaders: a data set and an order become a stream of batches.

`config` is a TrainConfig, of which only keys are read: config/ itself imports this folder.
"""

from collections.abc import Iterable
from typing import Any, TypedDict

import torch

from .. import distributed
from .augment import Augmentation, TrainTransform
from .batches import BatchDataset, ImageLoader
from .cache import ImageCache, cache_budget
from .dataset import EvalTransform, ImageDataset
from .preprocess import Preprocess
from .samplers import EvalBatches, Keys, TrainBatches, shuffled
from .source import Source, Splits
from .workers import workers_for


class Share(TypedDict):
    """What a process loads, and how."""

    rank: int
    world_size: int
    workers: int
    pin: bool


def make_loader(dataset: BatchDataset, batches: Iterable[Keys], config: Any, *, workers: int, pin: bool) -> ImageLoader:
    """The loader of `batches` under the config's persistent_workers; `pin` asks for page-locked memory."""
    return ImageLoader(dataset, batches, workers=workers, pin=pin, persistent=config.persistent_workers)


def train_loader(
    config: Any,
    images: Source,
    *,
    rank: int,
    world_size: int,
    workers: int,
    pin: bool,
    cache: ImageCache | None = None,
) -> ImageLoader:
    transform = TrainTransform(Augmentation.from_config(config), seed=config.seed)
    dataset = ImageDataset(images, transform, skip_bad=config.on_bad_image == "skip", cache=cache)
    batches = TrainBatches(shuffled(len(images)), config.batch_size, seed=config.seed, rank=rank, world_size=world_size)
    return make_loader(dataset, batches, config, workers=workers, pin=pin)


def val_loader(
    config: Any,
    images: Source,
    preprocess: Preprocess,
    *,
    rank: int,
    world_size: int,
    workers: int,
    pin: bool,
    cache: ImageCache | None = None,
) -> ImageLoader:
    transform = EvalTransform(preprocess, cache)
    dataset = ImageDataset(images, transform, skip_bad=config.on_bad_image == "skip", cache=cache)
    batches = EvalBatches(len(images), config.batch_size, rank=rank, world_size=world_size)
    return make_loader(dataset, batches, config, workers=workers, pin=pin)


def make_loaders(config: Any, splits: Splits, preprocess: Preprocess, device: torch.device) -> tuple[Any, Any]:
    """(train loader or None, val loader) of this rank."""
    common = _share(config, preprocess, device)
    train_cache = val_cache = None
    if config.cache == "ram":
        train_cache = _cached(splits, "train", splits.train, None) if splits.train else None
        val_cache = _cached(splits, "val", splits.val, preprocess)
    train = train_loader(config, splits.train, **common, cache=train_cache) if splits.train else None
    return train, val_loader(config, splits.val, preprocess, **common, cache=val_cache)


def _cached(splits: Splits, part: str, images: Source, preprocess: Preprocess | None) -> ImageCache:
    """The cache of a part, decoded once for the trial of max_minutes and the run after it.

    preprocess: by which pictures are reduced; None keeps them whole.
    """
    if part not in splits.caches or splits.caches[part][0] != preprocess:
        splits.caches.pop(part, None)  # its memory is free for the next
        budget = cache_budget(distributed.local_world_size())
        reduction = {"reduction": preprocess.reduction} if preprocess else {}
        splits.caches[part] = preprocess, ImageCache(images, budget=budget, **reduction)
    return splits.caches[part][1]


def evaluation_loader(config: Any, images: Source, preprocess: Preprocess, device: torch.device) -> ImageLoader:
    """Of this rank's share of `images`, for one pass."""
    return val_loader(config, images, preprocess, **_share(config, preprocess, device))


def _share(config: Any, preprocess: Preprocess, device: torch.device) -> Share:
    return {
        "rank": distributed.rank() if distributed.world_size() > 1 else 0,
        "world_size": distributed.world_size(),
        "workers": workers_for(config, preprocess.img_size, device, distributed.local_world_size()),
        "pin": config.pin_memory and device.type == "cuda",
    }
