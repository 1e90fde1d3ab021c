"""What is answered so far, on the disk: a folder beside the table, in which each process adds a line for each batch.

So the memory does not grow with the number of images, and a job that was killed goes on where it was.
"""

import contextlib
import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import ConfigError, DataError, OneProcessError
from ..files import hidden_beside, write_json, writing
from ..lock import NAME as LOCK
from ..text import shown
from .predictions import Answered, Prediction

PLAN = "plan.json"
OF_CLASSES = "checksum of the class names"
IN_WORDS = {OF_CLASSES: "the class names differ", "checksum": "the paths of the images differ"}  # of numbers
LATER = ("model_prefix", "model_suffix", OF_CLASSES)  # which plans of before 2026-11-28 do not have


def parts_folder(output: Path) -> Path:
    """Of the table `output`, hidden beside it."""
    return hidden_beside(output, ".parts")


def begin(folder: Path, plan: Mapping[str, Any], *, resume: bool, width: int = 0) -> None:
    """Empty the folder but for its lock or, with `resume`, go on in it. Raises ConfigError where it is of another job.

    plan: what the answers depend on, as json has it; those of another plan belong to another job.
    width: numbers in a row of features; 0 where none are kept.
    """
    if resume and (folder / PLAN).is_file():
        _check_plan(folder, plan)
        with writing(folder):
            for path in folder.glob("*.jsonl"):  # of all processes: this job may have fewer
                _cut_what_is_not_whole(path, width)
        return
    with writing(folder):
        for entry in entries(folder):
            entry.unlink()
        write_json(folder / PLAN, dict(plan))


def entries(folder: Path) -> list[Path]:
    """What lies there but for the lock; the plan first, so that a folder of which a part is removed begins anew."""
    return sorted((entry for entry in folder.iterdir() if entry.name != LOCK), key=lambda entry: entry.name != PLAN)


def _check_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    way = "resume = False begins anew"
    try:
        before = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        asked = [name for name in plan if name in before or name not in LATER]
        differs = [
            IN_WORDS.get(name) or f"{name} was {shown(before[name])}, is {shown(plan[name])}"
            for name in asked
            if _comparable(name, before[name]) != _comparable(name, plan[name])
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError("resume", [f"{folder / PLAN} is damaged; {way}"]) from None
    if differs:
        needed = "that job goes on where these are as they were"
        raise ConfigError("resume", [f"{folder} is of another job: {', '.join(differs)}; {needed}; {way}"])


def _comparable(name: str, value: Any) -> Any:
    """The value with paths as the system has them: a user may write one in several ways, which older plans keep."""
    if name == "weights":
        return [*map(os.path.realpath, value[:1]), *value[1:]]
    return os.path.realpath(value) if name == "class_indices_path" and value else value


class Parts:
    """The files of one process in such a folder, and the answers in those of all."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder = folder
        self._lines = folder / f"{rank}.jsonl"
        self._files: list[Path] = []
        self._starts = np.zeros(0, np.int64)
        self._places = np.zeros((0, 2), np.int64)

    def add(self, start: int, answered: Answered) -> None:
        """The batch that begins with image `start`. Raises OneProcessError where the disk does not take it."""
        rows = [[each.ranked, each.error, each.rejected] for each in answered.predictions]
        try:
            offset = 0
            if answered.features is not None:
                offset = _append(_beside(self._lines), np.ascontiguousarray(answered.features, dtype=np.float32).data)
            _append(self._lines, f"{json.dumps([start, rows, offset])}\n".encode())
        except OSError as error:
            raise OneProcessError(f"{self.folder}: cannot be written: {error.strerror or error}") from None

    def look(self) -> None:
        """Find the batches that all processes have added so far. Raises DataError where a file is damaged."""
        self._files = sorted(self.folder.glob("*.jsonl"))
        found = array("q")
        for number, path in enumerate(self._files):
            for start, offset in _starts(path):
                found.extend((start, number, offset))
        rows = np.asarray(found, dtype=np.int64).reshape(-1, 3)
        self._starts, first = np.unique(rows[:, 0], return_index=True)
        self._places = rows[first, 1:]

    def check_all(self, starts: Sequence[int]) -> None:
        """Raises DataError where not all batches that begin with these images were there when `look` was called."""
        if missing := sum(start not in self for start in starts):
            problem = f"the answers of {missing:,} of {len(starts):,} batches are gone: something has removed them"
            raise DataError(f"{self.folder}: {problem}; --resume answers them again")

    def __contains__(self, start: int) -> bool:
        """Whether the batch that begins with image `start` was there when `look` was called."""
        place = int(np.searchsorted(self._starts, start))
        return place < len(self._starts) and int(self._starts[place]) == start

    def read(self, paths: Sequence[str], width: int) -> Iterator[Answered]:
        """The batches that `look` has found, in order. Raises DataError where a file is damaged.

        width: numbers in a row of features; 0 where none are kept.
        """
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(_opened(path)) for path in self._files]
            others = [stack.enter_context(_opened(_beside(path))) if width else None for path in self._files]
            for number, offset in self._places.tolist():
                files[number].seek(offset)
                try:
                    yield _answered(json.loads(files[number].readline()), paths, others[number], width)
                except (ValueError, TypeError, IndexError, RecursionError):
                    raise _damaged(self._files[number]) from None


def _answered(line: Any, paths: Sequence[str], features: IO[bytes] | None, width: int) -> Answered:
    start, rows, offset = line
    predictions = [
        Prediction(paths[start + place], [(str(name), float(share)) for name, share in ranked], error, rejected)
        for place, (ranked, error, rejected) in enumerate(rows)
    ]
    if features is None:
        return Answered(predictions, None)
    features.seek(offset)
    count = sum(not each.unread for each in predictions)
    values = np.frombuffer(features.read(4 * width * count), dtype=np.float32)
    return Answered(predictions, values.reshape(count, width))


def _append(path: Path, content: bytes | memoryview) -> int:
    """Add `content` to a file and return where it begins. Raises OSError."""
    with open(path, "ab") as file:
        begins = file.tell()
        file.write(content)
    return begins


def _beside(lines: Path) -> Path:
    return lines.with_suffix(".f32")


def _starts(path: Path) -> Iterator[tuple[int, int]]:
    """(first image, offset) of each whole line."""
    offset = 0
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                try:
                    yield int(line[1 : line.index(b",")]), offset
                except ValueError:
                    raise _damaged(path) from None
            offset += len(line)


def _opened(path: Path) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise _damaged(path) from None


def _cut_what_is_not_whole(path: Path, width: int) -> None:
    """Leave whole lines alone, the features of which are on the disk, after a process that was killed or a power cut.

    The images of the others are answered again; their features follow those of the last line that is left.
    """
    beside = _beside(path)
    there = beside.stat().st_size if beside.is_file() else 0
    end, end_of_features = 0, 0
    with open(path, "rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            if width:
                begins, ends = _place_of_features(line, path, width)
                if begins < end_of_features:  # written after features were lost: which rows are whose is unknown
                    end, end_of_features = 0, 0
                    break
                if ends > there:
                    break
                end_of_features = ends
            end += len(line)
        file.truncate(end)
    if width:
        with open(beside, "ab") as file:
            file.truncate(end_of_features)


def _place_of_features(line: bytes, path: Path, width: int) -> tuple[int, int]:
    """Where the features of a batch begin and end in their file. Raises DataError where the line is damaged."""
    try:
        _, rows, offset = json.loads(line)
        count = sum(not Prediction("", [], error).unread for _, error, _ in rows)
        return int(offset), int(offset) + 4 * width * count
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _damaged(path) from None


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: damaged; remove its folder, or set resume = False, to begin anew")
