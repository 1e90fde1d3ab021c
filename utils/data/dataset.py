"""A data set whose item is a whole batch: opened, transformed, stacked.

A key of the data set is (epoch, index), so that a worker that lives through all epochs knows which one it draws for.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from ..errors import ImageError
from .augment import NO_BOX
from .batches import NO_IMAGES, Batch, BatchDataset
from .cache import ImageCache
from .preprocess import Preprocess
from .samplers import Keys
from .source import Source


class ImageDataset(BatchDataset):
    """Opened, transformed, stacked: `dataset.__getitems__(keys)` is a whole Batch."""

    images: Source

    def __init__(
        self, images: Source, transform: Callable, *, skip_bad: bool = False, cache: ImageCache | None = None
    ) -> None:
        """transform: (opened picture, epoch, index) -> (pixels, box)."""
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
        return self.cache[index] if self.cache is not None else self.images.open(index)


class EvalTransform:
    """Preprocess in the form that ImageDataset calls; nothing is drawn, nothing erased."""

    def __init__(self, preprocess: Preprocess, cache: ImageCache | None = None) -> None:
        """cache: the data set's, whose pictures may have been reduced."""
        self.preprocess = preprocess
        self.sizes_of_files = {} if cache is None else cache.sizes_of_files

    def __call__(self, picture: Any, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        return self.preprocess(picture, self.sizes_of_files.get(index)), NO_BOX
