"""In which order images come, and on which rank: a function of (seed, epoch), without state of its own."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from torch.utils.data import Sampler

from ..rng import generator

Keys = list[tuple[int, int]]  # (epoch, index) of each image of a batch


def batches_in_epoch(count: int, batch_size: int, world_size: int) -> int:
    """Of one rank; a last batch of a single image is none of its own."""
    full, rest = divmod(-(-count // world_size), batch_size)
    return max(1, full + (rest > 1 or (rest == 1 and full == 0)))


def steps_in_epoch(count: int, batch_size: int, world_size: int, accumulate_steps: int) -> int:
    """Optimizer steps of an epoch over `count` images."""
    return -(-batches_in_epoch(count, batch_size, world_size) // accumulate_steps)


class Indices(Protocol):
    """The images of an epoch in their order: a tensor, a range, a list or anything else of a length that is sliced."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: Any) -> Any: ...


Order = Callable[[int, int], Indices]  # (seed, epoch) -> Indices, the same on every rank


def shuffled(count: int) -> Order:
    """Each of `count` images once an epoch, in an order that depends on (seed, epoch) alone."""
    return lambda seed, epoch: torch.randperm(count, generator=generator("order", seed, epoch))


class TrainBatches(Sampler[Keys]):
    """Batches of an epoch for one rank: the images that `order` gives, dealt out to the ranks.

    Every rank gets as many images: the order wraps around where the count does not divide. A last batch of a single
    image joins the one before, because BatchNorm cannot learn from one image.
    """

    def __init__(self, order: Order, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.order, self.batch_size, self.seed = order, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.set_epoch(0)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """The epoch to come, and how many of its batches are done already."""
        self.epoch, self.start = epoch, start
        self.indices = self.order(self.seed, epoch)

    def __len__(self) -> int:
        """Batches of the whole epoch."""
        return batches_in_epoch(len(self.indices), self.batch_size, self.world_size)

    def __iter__(self) -> Iterator[Keys]:
        count = len(self.indices)
        batches = len(self)
        share = -(-count // self.world_size)
        own = self.indices[self.rank :: self.world_size]  # a view: a list of millions is slow and large
        for batch in range(self.start, batches):
            stop = share if batch == batches - 1 else (batch + 1) * self.batch_size
            images = _as_list(own[batch * self.batch_size : stop])
            if stop == share > len(own):  # the order begins anew for the ranks at its end
                images.append(int(self.indices[(self.rank + len(own) * self.world_size) % count]))
            yield [(self.epoch, index) for index in images]


def _as_list(indices: Iterable[int]) -> list[int]:
    return indices.tolist() if hasattr(indices, "tolist") else list(indices)


class EvalBatches(Sampler[Keys]):
    """Batches over which each image comes once on one rank; shares are not padded, so a rank may have none."""

    def __init__(self, count: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.own, self.batch_size = range(rank, count, world_size), batch_size

    def __len__(self) -> int:
        return -(-len(self.own) // self.batch_size)

    def __iter__(self) -> Iterator[Keys]:
        for start in range(0, len(self.own), self.batch_size):
            yield [(0, index) for index in self.own[start : start + self.batch_size]]
