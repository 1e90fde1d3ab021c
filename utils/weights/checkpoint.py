"""Checkpoints: dicts of tensors and plain Python types, written whole or not at all, read without running code.

torch.save writes a zip file with the CRC-32 of every tensor and of the rest, and torch.load does not look at them: here
they are the digests that a checkpoint is checked by, which costs nothing when it is written.
"""

import pickle
import re
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from ..errors import WeightsError
from ..files import atomic_file
from ..text import one_line
from .files import check_file, check_tensors
from .run_folder import BEST
from .stand_ins import harmless_settings

FORMAT = "image-classification-checkpoint/1"
FOR_RESUME = ("net_ema", "optimizer", "scheduler", "scaler", "progress")  # entries that best.pth does not hold


def save_checkpoint(path: str | Path, payload: dict[str, Any], *, keep: str | Path | None = None) -> None:
    """Write `payload` to `path` so that at any moment the file there is the old one or the new one, complete.

    keep: a path in the same folder that the old file gets. Raises OSError, with both files left as they were.
    """
    with atomic_file(path, keep=keep) as file:
        write_checkpoint(file, payload)


def write_checkpoint(file: IO[bytes], payload: dict[str, Any]) -> None:
    """Raises OSError where `file` does not take it all."""
    write_pickle(file, {"format": FORMAT, **payload})


def write_pickle(file: IO[bytes], content: Any) -> None:
    """What `read_pickle` reads. Raises OSError where `file` does not take it all."""
    try:
        torch.save(content, file)
    except RuntimeError as error:  # torch's error about its own place in a file that takes no more
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def read_pickle(path: str | Path) -> Any:
    """What torch.save wrote to `path`, on the CPU, with weights_only=True; checked, if it is a checkpoint of ours.

    Raises WeightsError.
    """
    check_file(path)
    payload = _load(path)
    check_tensors(payload, path)
    if is_checkpoint(payload) and (problem := _damage(path)):
        raise WeightsError(f"{path}: damaged: {problem}")
    return payload


def _load(path: str | Path) -> Any:
    try:
        with harmless_settings():
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: {_refusal(str(error))}") from None
    except Exception as error:  # a damaged archive fails in many ways
        raise WeightsError(f"{path}: cannot be read as a PyTorch file: {type(error).__name__}: {error}") from None


def _refusal(message: str) -> str:
    """Why torch did not read a pickle, from the words of its error, which come with advice to read it all the same."""
    if found := re.search(r"\bGLOBAL (\S+)", message):
        return (
            f"refused: holds {one_line(found[1], 200)}, which could run code of whoever wrote the file; where it comes "
            "from, torch.save(model.state_dict(), 'weights.pth') saves the tensors alone, which can be read"
        )
    reason = message.rpartition("WeightsUnpickler error: ")[2].strip().splitlines()
    return f"refused, holds more than tensors and plain types, or is damaged: {reason[0] if reason else 'no reason'}"


def _damage(path: str | Path) -> str | None:
    """What is wrong with the digests of a file of torch.save, None if all agree."""
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
    except Exception as error:  # a damaged archive fails in many ways
        return f"{type(error).__name__}: {error}"
    return record and f"the checksum of {record} does not agree with its content"


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of ours. Raises WeightsError if the file is missing, damaged or something else."""
    payload = read_pickle(path)
    if not is_checkpoint(payload):
        raise WeightsError(f"{path}: holds weights, but is no checkpoint written by train.py")
    return payload


def is_checkpoint(payload: Any) -> bool:
    return isinstance(payload, dict) and payload.get("format") == FORMAT


def weights_alone(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint of a best epoch as best.pth holds it: the weights that scored, without what a resume needs."""
    scored = checkpoint["best"]["weights"]
    content = {name: value for name, value in checkpoint.items() if name not in FOR_RESUME}
    return {**content, "net": checkpoint[scored], "weights_of": "averaged" if scored == "net_ema" else "raw"}


def newest_checkpoint(log_root: str | Path = "./logs") -> Path:
    """best.pth of the run that wrote one last. Raises WeightsError if there is none."""
    found = list(Path(log_root).glob(f"*/*/{BEST}"))
    if not found:
        raise WeightsError(f"{log_root}: no run with a best.pth in it; train first, or set load_from")
    return max(found, key=lambda path: path.stat().st_mtime)
