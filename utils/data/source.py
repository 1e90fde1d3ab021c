"""Labelled images, wherever they are kept: what readers make, and loaders, the cache and reports read."""

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from PIL import Image

from .images import MAX_PIXELS, open_image


class PackedPaths(Sequence[str]):
    """Paths in one array of bytes with offsets: millions cost their characters, and workers never copy them."""

    def __init__(self, packed: bytes) -> None:
        """packed: what `pack_paths` gave, of several folders in a row as it may be."""
        self._bytes = np.frombuffer(packed, dtype=np.uint8)
        self._ends = np.flatnonzero(self._bytes == 0)

    def __len__(self) -> int:
        return len(self._ends)

    def checksum(self) -> int:
        return zlib.crc32(self._bytes.data)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # nobody takes a slice
        index = range(len(self))[index]
        start = self._ends[index - 1] + 1 if index else 0
        return os.fsdecode(self._bytes[start : self._ends[index]].tobytes())


def pack_paths(paths: Iterable[str], *, below: str = "") -> bytes:
    """Each path behind the folder `below` and followed by a zero, which no path holds."""
    paths = list(paths)
    prefix = os.path.join(below, "")
    return os.fsencode(prefix + f"\0{prefix}".join(paths) + "\0") if paths else b""


class Source(Protocol):
    """What is trained or validated on. A reader of another kind of storage, such as tar files, makes one of these.

    It is handed to loading processes, so that it must be cheap to pickle and hold no open file.
    """

    @property
    def root(self) -> str:
        """Where the images are, for messages."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def targets(self) -> np.ndarray:
        """(images,) int64; `targets[i]` is the place in `classes` of the class of image i."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or looks odd, in words."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What users know the image by: its path, where it has one."""

    def open(self, index: int) -> Image.Image:
        """The picture, not decoded yet, as `images.open_image` gives it. Raises ImageError."""

    def counts(self) -> np.ndarray:
        """Images of each class, (classes,) int64."""

    def fingerprint(self) -> tuple[int, ...]:
        """Differs, most likely, from that of other names, classes or targets; `root` aside, which may have moved."""


@dataclass(frozen=True)
class ImageList:
    """Images in files below a folder."""

    root: str
    classes: tuple[str, ...]
    paths: PackedPaths  # relative to root
    targets: np.ndarray
    notes: tuple[str, ...] = ()
    max_pixels: int = MAX_PIXELS  # of an image; a larger one is refused

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return os.path.join(self.root, self.paths[index])

    def open(self, index: int) -> Image.Image:
        return open_image(self.name(index), self.max_pixels)

    def counts(self) -> np.ndarray:
        return np.bincount(self.targets, minlength=len(self.classes))

    def fingerprint(self) -> tuple[int, ...]:
        """Differs, most likely, from that of other names below the root, classes or targets."""
        return self._fingerprint

    @cached_property  # for every checkpoint asks, and a million names take 50 ms
    def _fingerprint(self) -> tuple[int, ...]:
        classes = "/".join(self.classes).encode("utf-8", "surrogateescape")
        return self.paths.checksum(), zlib.crc32(self.targets.data), zlib.crc32(classes)


@dataclass(frozen=True)
class Sample:
    """Some images of a source, as one."""

    whole: Source
    places: np.ndarray  # (images,) int64, rising

    @classmethod
    def of(cls, whole: Source, most: int, seed: int) -> "Sample":
        """`most` of them, drawn by the seed; all where there are no more."""
        drawn = np.random.default_rng(seed).permutation(len(whole))[:most]
        return cls(whole, np.sort(drawn))

    @property
    def root(self) -> str:
        return self.whole.root

    @property
    def classes(self) -> tuple[str, ...]:
        return self.whole.classes

    @property
    def targets(self) -> np.ndarray:
        return self.whole.targets[self.places]

    @property
    def notes(self) -> tuple[str, ...]:
        return self.whole.notes

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        return self.whole.name(int(self.places[index]))

    def open(self, index: int) -> Image.Image:
        return self.whole.open(int(self.places[index]))

    def counts(self) -> np.ndarray:
        return np.bincount(self.targets, minlength=len(self.classes))

    def fingerprint(self) -> tuple[int, ...]:
        return *self.whole.fingerprint(), zlib.crc32(self.places.data)


@dataclass(frozen=True)
class Splits:
    train: Source | None  # None when only validating
    val: Source
    test: Source | None = None  # not opened before the end of a run
    # Decoded pictures of train and val, where loaders.py keeps them: for whoever makes loaders of the same images next.
    caches: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.val.classes

    @property
    def training(self) -> Source:
        """`train`, for those who train."""
        assert self.train is not None
        return self.train
