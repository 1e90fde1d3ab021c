"""cache = 'ram': decoded pictures in one block of memory that all workers share."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .. import cgroups
from ..errors import DataError, ImageError
from .images import decode, is_reducible, upright_size
from .source import Source

Size = tuple[int, int]  # (height, width)
SHARE = 0.8  # of the free memory that a cache may take


class ImageCache:
    """`cache[i]` is picture i as `decode` gives it, (H, W, 3) uint8; unreadable ones raise their ImageError again.

    The pixels are one uint8 tensor: forked workers see the parent's pages, spawned ones get them as shared memory.
    """

    def __init__(self, images: Source, *, budget: int, reduction: Callable[[Size], int] = lambda size: 1) -> None:
        """Decode everything. budget: bytes that may be taken; DataError with both figures if that is too little.

        reduction: (height, width) of an upright picture -> how much smaller it is kept, if it is a JPEG: 1, 2, 4 or 8.
        Validation reads such pictures so; training, whose crops differ, needs them whole.
        """
        self.reasons: dict[int, str] = {}
        self.images, numbers = images, range(len(images))
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(partial(_size_or_nothing, images, reduction=reduction), numbers))
            kept = [tuple(-(-side // factor) for side in size) for size, factor in found]
            self.sizes = np.array(kept, dtype=np.int64).reshape(-1, 2)
            self.sizes_of_files = {i: size for i, (size, factor) in enumerate(found) if factor > 1}  # of those reduced
            lengths = self.sizes.prod(axis=1) * 3
            if lengths.sum() > budget:
                raise DataError(
                    f"cache: the {len(images)} images of {images.root} need {lengths.sum() / 2**30:.1f} GiB decoded, "
                    f"{max(0, budget) / 2**30:.1f} GiB of memory may be used; set cache = 'none'"
                )
            self.offsets = np.concatenate([[0], lengths.cumsum()])
            self.pixels = torch.empty(int(self.offsets[-1]), dtype=torch.uint8)
            work = pool.map(self._fill, numbers, [factor for _, factor in found])
            for _ in tqdm(work, total=len(images), desc=f"caching {images.root}", disable=None, leave=False):
                pass

    def __getitem__(self, index: int) -> Tensor:
        """A view into the block."""
        if index in self.reasons:
            raise ImageError(self.reasons[index])
        height, width = self.sizes[index].tolist()
        return self.pixels.as_strided((height, width, 3), (3 * width, 3, 1), int(self.offsets[index]))

    def _fill(self, index: int, reduction: int) -> None:
        try:
            picture = np.asarray(decode(self.images.open(index), reduction))
            if picture.shape[:2] != tuple(self.sizes[index]):
                if picture[..., 0].size != self.sizes[index].prod():
                    raise ImageError("changed while it was read")
                self.sizes[index] = picture.shape[:2]  # turned by a tag that comes after the pixels
            self[index].numpy()[:] = picture
        except ImageError as error:
            self.reasons[index] = str(error)


def _size_or_nothing(images: Source, index: int, reduction: Callable[[Size], int]) -> tuple[Size, int]:
    """((height, width) of the file, how much smaller it is kept)."""
    try:
        with images.open(index) as picture:
            size = upright_size(picture)
            factor = reduction(size)
            return size, factor if is_reducible(picture, factor) else 1
    except ImageError:
        return (0, 0), 1  # decoding gives the reason later


def free_memory() -> int:
    """Bytes of memory that are free or can be freed for this process; a very large number where that is unknown."""
    allowed = cgroups.free_memory()
    return _of_the_machine() if allowed is None else min(allowed, _of_the_machine())


def _of_the_machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            fields: dict[str, Any] = dict(line.split(":") for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62


def cache_budget(local_world_size: int) -> int:
    """Bytes that the cache of one process may take when `local_world_size` of them share the machine."""
    return int(free_memory() * SHARE / local_world_size)
