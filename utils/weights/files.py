"""Files of weights that may come from anywhere: what is refused before, and after, torch reads them.

torch.load(weights_only=True) runs no code, but believes what a file says of the sizes of its parts.
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..absent import absent
from ..errors import WeightsError

ARCHIVE, PICKLE = b"PK\x03\x04", b"\x80"  # how files of torch.save begin, today and before version 1.6
DENSEST = 4  # archives of torch.save are not compressed; weights that somebody packed shrink by less
SPREAD = 2**26  # bytes that tensors which repeat a few values may take when written out


def check_regular(path: str | Path) -> None:
    """Raises WeightsError unless `path` is a file with content: a pipe would never end."""
    if not os.path.isfile(path):
        kind = "it is a folder" if os.path.isdir(path) else "it is a pipe or a device" if os.path.exists(path) else ""
        raise WeightsError(f"{path}: no such file, {kind}" if kind else f"{path}: {absent(path)}")
    if not os.access(path, os.R_OK):
        raise WeightsError(f"{path}: no permission to read it")


def check_file(path: str | Path) -> None:
    """Raises WeightsError unless torch.load may read `path` without harm."""
    check_regular(path)
    with open(path, "rb") as file:
        beginning = file.read(len(ARCHIVE))
    if beginning == ARCHIVE:
        _check_archive(path)
    elif not beginning.startswith(PICKLE):
        raise WeightsError(f"{path}: cannot be read as a PyTorch file: it is {_likely(beginning)}")


def _check_archive(path: str | Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:  # a damaged archive fails in many ways
        raise WeightsError(f"{path}: cannot be read as a PyTorch file: damaged or cut short: {error}") from None
    size = os.path.getsize(path)
    if claimed > DENSEST * size + 2**20:
        raise WeightsError(f"{path}: refused: its {size:,} bytes claim to hold {claimed:,}")


def _likely(beginning: bytes) -> str:
    if not beginning:
        return "empty"
    return "a text" if beginning.isascii() and beginning.decode().isprintable() else "another kind of file"


def check_tensors(payload: Any, path: str | Path) -> None:
    """Raises WeightsError if some tensor in `payload`, read from `path`, is none that a network holds.

    That is, one without values of its own on the CPU, or one that represents more values than the file can hold.
    """
    size, stored = os.path.getsize(path), {}
    for tensor in _tensors_in(payload):
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_complex():
            kind = f"{tensor.layout}, {tensor.dtype}, on {tensor.device}"
            raise WeightsError(f"{path}: refused: holds a tensor of a kind that no network of ours has: {kind}")
        storage = tensor.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes()
        if tensor.numel() * tensor.element_size() > max(storage.nbytes(), SPREAD):
            raise WeightsError(f"{path}: refused: holds a tensor of {tensor.numel():,} values, repeating a few")
    if sum(stored.values()) > DENSEST * size + 2**20:
        raise WeightsError(f"{path}: refused: its {size:,} bytes claim to hold {sum(stored.values()):,}")


def _tensors_in(payload: Any) -> Iterator[Tensor]:
    """All tensors of nested containers, which may hold themselves."""
    waiting, seen = [payload], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, (dict, list, tuple, set)) and id(item) not in seen:
            seen.add(id(item))
            waiting += dict.values(item) if isinstance(item, dict) else item  # a file may set .values of an OrderedDict


def check_fit(state: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Raises ValueError naming the first tensor of a network's `state` that `saved` lacks or has in another shape."""
    for name, tensor in state.items():
        if name not in saved or saved[name].shape != tensor.shape:
            found = list(saved[name].shape) if name in saved else "nothing"
            raise ValueError(f"{name}: expected {list(tensor.shape)}, got {found}")
