"""Checkpoints: dicts of tensors and plain Python types, written whole or not at all, read without running code."""

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch

from .errors import WeightsError
from .weight_files import check_file, check_tensors

FORMAT = "image-classification-checkpoint/1"


def save_checkpoint(path: str | Path, payload: dict[str, Any]) -> None:
    """Write `payload` to `path` so that at any moment the file there is the old one or the new one, complete."""
    with atomic_file(path) as file:
        torch.save({"format": FORMAT, **payload}, file)


class atomic_file:
    """`with atomic_file(path) as file`: bytes go to a file beside `path`, are flushed to disk, then take its name."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> Any:
        descriptor, self.draft = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        self.file = os.fdopen(descriptor, "wb")
        return self.file

    def __exit__(self, kind: type | None, *_: Any) -> None:
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
            self.file.close()
            if kind is None:
                os.chmod(self.draft, 0o666 & ~_umask())  # mkstemp makes files private
                os.replace(self.draft, self.path)
                _sync_folder(self.path.parent)
        finally:
            self.file.close()
            Path(self.draft).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be opened at all (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Replace a text file as a whole, in UTF-8."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def read_pickle(path: str | Path) -> Any:
    """What torch.save wrote to `path`, on the CPU, with weights_only=True. Raises WeightsError."""
    check_file(path)
    payload = _load(path)
    check_tensors(payload, path)
    return payload


def _load(path: str | Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        detail = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{path}: refused, holds more than tensors and plain types, or is damaged: {detail}"
        ) from None
    except Exception as error:  # a damaged archive fails in many ways
        raise WeightsError(f"{path}: cannot be read as a PyTorch file: {type(error).__name__}: {error}") from None


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of ours. Raises WeightsError if the file is missing, damaged or something else."""
    payload = read_pickle(path)
    if not is_checkpoint(payload):
        raise WeightsError(f"{path}: holds weights, but is no checkpoint written by train.py")
    return payload


def is_checkpoint(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.get("format") == FORMAT
