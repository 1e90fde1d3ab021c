"""How large the pictures are: counts in octaves of the shorter side."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from .findings import File
from .inspect import mode_in_words


def size_histogram(files: Sequence[File]) -> list[tuple[str, int]]:
    """(range of the shorter side in pixels, readable files in it), from the smallest that occurs to the largest."""
    sides = np.array([min(f.found.width, f.found.height) for f in files if f.found.readable], dtype=np.int64)
    if not len(sides):
        return []
    octaves = np.log2(sides).astype(np.int64)
    counts = np.bincount(octaves)
    return [(f"{2**k}-{2 ** (k + 1) - 1}", int(counts[k])) for k in range(octaves.min(), octaves.max() + 1)]


def typical_sizes(files: Sequence[File]) -> str:
    """Smallest, median and largest of width and height, in words."""
    sizes = np.array([(f.found.width, f.found.height) for f in files if f.found.readable]).reshape(-1, 2)
    if not len(sizes):
        return "no readable picture"
    if (sizes == sizes[0]).all():
        return f"all are {sizes[0][0]}x{sizes[0][1]} pixels"
    w0, h0 = sizes.min(axis=0)
    w1, h1 = np.median(sizes, axis=0).astype(int)
    w2, h2 = sizes.max(axis=0)
    return f"width {w0} to {w2}, median {w1}; height {h0} to {h2}, median {h1} pixels"


def kinds(files: Sequence[File]) -> list[tuple[str, int]]:
    """(format and mode in words, readable files of it), the most frequent first."""
    named = (f"{f.found.format}, {mode_in_words(f.found.mode)}" for f in files if f.found.readable)
    return sorted(Counter(named).items(), key=lambda pair: (-pair[1], pair[0]))
