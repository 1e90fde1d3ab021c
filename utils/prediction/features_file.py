"""An .npz file of features: `features` (N, D) float32 and `names` (N,), written whole or not at all, row after row."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from ..files import atomic_file, hidden_beside
from .predictions import Answered

NAMES_TOGETHER = 4096


def write_features(path: Path, batches: Iterable[Answered], width: int) -> None:
    """Of all images that could be read. batches: gone through once.  width: D. Raises OSError.

    numpy.load reads it without pickles. Memory: the names of the images.
    """
    names: list[str] = []
    rows = hidden_beside(path, ".rows")
    try:
        with open(rows, "wb") as file:
            for batch in batches:
                names += [each.path for each in batch.predictions if not each.unread]
                if batch.features is not None:
                    file.write(np.ascontiguousarray(batch.features, dtype=np.float32).data)
        with atomic_file(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            with archive.open("features.npy", "w", force_zip64=True) as entry, open(rows, "rb") as values:
                _begin(entry, np.dtype(np.float32), (len(names), width))
                while part := values.read(2**22):
                    entry.write(part)
            with archive.open(zipfile.ZipInfo("names.npy"), "w", force_zip64=True) as entry:
                _write_names(entry, names)
    finally:
        rows.unlink(missing_ok=True)


def _write_names(entry: IO[bytes], names: list[str]) -> None:
    kind = np.dtype(f"<U{max(map(len, names), default=1)}")
    _begin(entry, kind, (len(names),))
    for start in range(0, len(names), NAMES_TOGETHER):
        entry.write(np.array(names[start : start + NAMES_TOGETHER], dtype=kind).tobytes())


def _begin(entry: IO[bytes], kind: np.dtype, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(entry, header)
