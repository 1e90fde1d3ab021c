"""Files that are equal byte for byte, among others or between two lists; no more is read than it takes to tell."""

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ..errors import DataError
from ..thread_pool import in_threads

CHUNK = 1 << 20
HEAD = 1 << 14  # bytes in which most files of one size differ

Known = dict[str, tuple[Hashable, ...]]  # path -> what is known of the content of the file


def find_copies(paths: Sequence[str]) -> list[list[int]]:
    """Indices of files with the same bytes, a list for each content that occurs twice or more.

    Only files of the same length are read; empty ones are no copies. Raises DataError if a file cannot be read.
    """
    sizes = list(in_threads(_size, paths, "sizes"))
    alike = [i for indices in _collect(sizes) for i in indices if sizes[i]]
    digests = in_threads(_digest, [paths[i] for i in alike], "comparing files")
    return [[alike[i] for i in indices] for indices in _collect(digests)]


def copies_between(these: Sequence[str], those: Sequence[str]) -> list[tuple[str, str]]:
    """(one of `these`, the first of `those` that is its copy), a pair for each of `these` that has one.

    Files of one size are compared by their first HEAD bytes, and what is alike so far by a digest of the whole. Empty
    files and those that cannot be read are no copies.
    """
    left: Known = dict.fromkeys(these, ())
    right: Known = dict.fromkeys(those, ())
    for measure, task in ((_size, "sizes"), (_head, "comparing files"), (_digest, "comparing files")):
        left = _measured(measure, left, task)
        right = _measured(measure, right, task)
        common = set(left.values()) & set(right.values())
        left, right = ({path: key for path, key in files.items() if key in common} for files in (left, right))
    first = {key: path for path, key in reversed(right.items())}
    return [(path, first[key]) for path, key in left.items()]


def _measured(measure: Callable[[str], Hashable], files: Known, task: str) -> Known:
    """With one more thing known of each file; without those of which it is nothing, or cannot be read."""

    def attempt(path: str) -> Hashable:
        try:
            return measure(path)
        except DataError:
            return None

    found = in_threads(attempt, list(files), task)
    return {path: (*key, value) for (path, key), value in zip(files.items(), found) if value}


def _collect(values: Iterable) -> list[list[int]]:
    """Indices of equal values, where there are two or more, by first occurrence."""
    places = defaultdict(list)
    for i, value in enumerate(values):
        places[value].append(i)
    return [indices for indices in places.values() if len(indices) > 1]


def _size(path: str) -> int:
    with _reading(path):
        return os.path.getsize(path)


def _head(path: str) -> bytes:
    with _reading(path), open(path, "rb") as file:
        return file.read(HEAD)


def _digest(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with _reading(path), open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn a failure to read `path` into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
