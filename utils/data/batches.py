"""Batches: what travels from the loading processes to the device, and how they are read off a loader."""

import contextlib
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import UnreadableError
from .whole_batches import WholeBatches


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
    return Batch(images, torch.from_numpy(targets), torch.from_numpy(boxes), torch.from_numpy(indices), bad)


NO_IMAGES = Batch._make([*(torch.empty(0, dtype=torch.int64) for _ in range(4)), []])


class Named(Protocol):
    """What a Source is to those who read batches of it."""

    def name(self, index: int) -> str: ...


class BatchDataset(Dataset[Batch]):
    """What is read here: `dataset.__getitems__(keys)` is a whole Batch."""

    images: Named
    skip_bad: bool  # `read` lets unreadable files pass


class ImageLoader(WholeBatches[Batch]):
    """The loader of such a data set."""

    dataset: BatchDataset


def read(loader: ImageLoader) -> Generator[Batch, None, None]:
    """The batches of a loader; raises UnreadableError at a bad image unless the data set skips them.

    (An exception in a worker would arrive with that worker's traceback for a message.) Workers end at once with a
    generator that is closed before its end.
    """
    dataset = loader.dataset
    with contextlib.closing(loader.read()) as batches:
        for batch in batches:
            if batch.bad and not dataset.skip_bad:
                index, reason = batch.bad[0]
                hint = "on_bad_image = 'skip' would leave it out"
                raise UnreadableError(f"{dataset.images.name(index)}: cannot read this image: {reason}; {hint}")
            yield batch
