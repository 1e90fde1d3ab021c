"""In which order images come, and on which rank: a function of (seed, epoch), without state of its own."""

from collections.abc import Iterator

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
