"""Batches: the data set that decodes, the samplers that decide the order, the loaders that join them.

A key of the data set is (epoch, index), so that a worker that lives through all epochs knows which one it draws for.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from ..errors import ImageError, UnreadableError
from ..rng import generator
from ..signals import leave_signals_to_parent
from ..threads import available_cores, home_cores, run_on
from .augment import NO_BOX, TrainTransform
from .cache import ImageCache
from .images import open_image
from .listing import ImageList
from .preprocess import Preprocess

Keys = list[tuple[int, int]]  # (epoch, index) of each image of a batch


class Batch(NamedTuple):
    images: Tensor  # (N, H, W, 3) uint8
    targets: Tensor  # (N,) int64
    boxes: Tensor  # (N, 4) int64, rectangles to erase
    indices: Tensor  # (N,) int64, places in the image list
    bad: list[tuple[int, str]]  # (index, reason) of the images left out

    def __reduce__(self) -> tuple[Callable, tuple]:
        """From a worker, only the images travel as shared memory, which takes half a millisecond a tensor."""
        small = (tensor.numpy() for tensor in (self.targets, self.boxes, self.indices))
        return _arrived, (self.images, *small, self.bad)


def _arrived(images: Tensor, targets: np.ndarray, boxes: np.ndarray, indices: np.ndarray, bad: list) -> Batch:
    return Batch(images, *map(torch.from_numpy, (targets, boxes, indices)), bad)


NO_IMAGES = Batch(*(torch.empty(0, dtype=torch.int64) for _ in range(4)), [])


class ImageDataset(Dataset):
    """Opened, transformed, stacked: `dataset.__getitems__(keys)` is a whole Batch."""

    def __init__(
        self, images: ImageList, transform: Callable, *, skip_bad: bool = False, cache: ImageCache | None = None
    ) -> None:
        """transform: (opened picture, epoch, index) -> (pixels, box).  skip_bad: `read` lets unreadable files pass."""
        self.images, self.transform, self.skip_bad, self.cache = images, transform, skip_bad, cache

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Keys) -> Batch:
        pixels, boxes, indices, bad = [], [], [], []
        for epoch, index in keys:
            try:
                image, box = self.transform(self._open(index), epoch, index)
            except ImageError as error:
                bad.append((index, str(error)))
                continue
            pixels.append(image)
            boxes.append(box)
            indices.append(index)
        if not indices:
            return NO_IMAGES._replace(bad=bad)
        targets = torch.from_numpy(self.images.targets[indices])
        images = default_collate(pixels)  # a stack; in a worker in shared memory, so that nothing is copied to send it
        return Batch(images, targets, torch.stack(boxes), torch.tensor(indices), bad)

    def _open(self, index: int) -> Any:
        return self.cache[index] if self.cache is not None else open_image(self.images.path(index))


class EvalTransform:
    """Preprocess in the form that ImageDataset calls; nothing is drawn, nothing erased."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess

    def __call__(self, picture: Any, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        return self.preprocess(picture), NO_BOX


def batches_in_epoch(count: int, batch_size: int, world_size: int) -> int:
    """Of one rank; a last batch of a single image is none of its own."""
    full, rest = divmod(-(-count // world_size), batch_size)
    return max(1, full + (rest > 1 or (rest == 1 and full == 0)))


def steps_in_epoch(count: int, batch_size: int, world_size: int, accumulate_steps: int) -> int:
    """Optimizer steps of an epoch over `count` images."""
    return -(-batches_in_epoch(count, batch_size, world_size) // accumulate_steps)


class TrainBatches(Sampler[Keys]):
    """Batches of an epoch for one rank: a permutation that hangs on (seed, epoch) alone, dealt out to the ranks.

    Every rank gets as many images: the order wraps around where the count does not divide. A last batch of a single
    image joins the one before, because BatchNorm cannot learn from one image.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch, self.start = 0, 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """The epoch to come, and how many of its batches are done already."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return batches_in_epoch(self.count, self.batch_size, self.world_size)

    def __iter__(self) -> Iterator[Keys]:
        order = torch.randperm(self.count, generator=generator("order", self.seed, self.epoch))
        share = -(-self.count // self.world_size)
        own, batches = order[self.rank :: self.world_size], len(self)  # a view: a list of millions is slow and large
        if len(own) < share:
            own = torch.cat((own, order[(self.rank + len(own) * self.world_size) % self.count, None]))
        for batch in range(self.start, batches):
            stop = None if batch == batches - 1 else (batch + 1) * self.batch_size
            yield [(self.epoch, index) for index in own[batch * self.batch_size : stop].tolist()]


class EvalBatches(Sampler[Keys]):
    """Batches over which each image comes once on one rank; shares are not padded, so a rank may have none."""

    def __init__(self, count: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.own, self.batch_size = range(rank, count, world_size), batch_size

    def __len__(self) -> int:
        return -(-len(self.own) // self.batch_size)

    def __iter__(self) -> Iterator[Keys]:
        for start in range(0, len(self.own), self.batch_size):
            yield [(0, index) for index in self.own[start : start + self.batch_size]]


def read(loader: DataLoader) -> Iterator[Batch]:
    """The batches of a loader; raises UnreadableError at a bad image unless the data set skips them.

    (An exception in a worker would arrive with that worker's traceback for a message.) Workers end at once with a
    generator that is closed before its end.
    """
    dataset, iterator = loader.dataset, iter(loader)
    try:
        for batch in iterator:
            if batch.bad and not dataset.skip_bad:
                index, reason = batch.bad[0]
                hint = "on_bad_image = 'skip' would leave it out"
                raise UnreadableError(f"{dataset.images.path(index)}: cannot read this image: {reason}; {hint}")
            yield batch
    except BaseException:  # GeneratorExit too
        if loader.num_workers:
            iterator._shutdown_workers()
            loader._iterator = None
        raise


def as_is(batch: Batch) -> Batch:
    """The collate function: the data set has stacked already (a named function, so that spawn can pickle it)."""
    return batch


def worker_count(num_workers: int | str, device: torch.device, local_world_size: int) -> int:
    """'auto': the cores of this process, at most 8; on a CPU, which trains with the same cores, at most 2."""
    if num_workers != "auto":
        return num_workers
    return max(1, min(8 if device.type != "cpu" else 2, available_cores() // local_world_size))


def start_worker(worker: int, *, cores: frozenset[int]) -> None:
    """What a loading process does first. cores: of the run, whose own threads may be held on half of them by now."""
    run_on(cores)
    leave_signals_to_parent(worker)


def make_loader(dataset: ImageDataset, batches: Sampler[Keys], config: Any, *, workers: int, pin: bool) -> DataLoader:
    """The loader of `batches` under the config's persistent_workers; `pin` asks for page-locked memory."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=as_is,
        worker_init_fn=partial(start_worker, cores=home_cores()),
        pin_memory=pin,
        persistent_workers=config.persistent_workers and workers > 0,
    )


def train_loader(
    config: Any,
    images: ImageList,
    *,
    rank: int,
    world_size: int,
    workers: int,
    pin: bool,
    cache: ImageCache | None = None,
) -> DataLoader:
    transform = TrainTransform(
        config.img_size,
        augment=config.augment,
        horizontal_flip=config.horizontal_flip,
        random_erase_prob=config.random_erase_prob,
        seed=config.seed,
    )
    dataset = ImageDataset(images, transform, skip_bad=config.on_bad_image == "skip", cache=cache)
    batches = TrainBatches(len(images), config.batch_size, seed=config.seed, rank=rank, world_size=world_size)
    return make_loader(dataset, batches, config, workers=workers, pin=pin)


def val_loader(
    config: Any,
    images: ImageList,
    preprocess: Preprocess,
    *,
    rank: int,
    world_size: int,
    workers: int,
    pin: bool,
    cache: ImageCache | None = None,
) -> DataLoader:
    transform = EvalTransform(preprocess)
    dataset = ImageDataset(images, transform, skip_bad=config.on_bad_image == "skip", cache=cache)
    batches = EvalBatches(len(images), config.batch_size, rank=rank, world_size=world_size)
    return make_loader(dataset, batches, config, workers=workers, pin=pin)
