"""A predictions.csv read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..tables import read_rows
from ..text import listed, nearest
from .answer_tables import COLUMNS

PREDICTIONS = "predictions.csv"  # behind test_ where a run has that of val too
NEEDED = ("path", "true", "predicted", "loss")
OFF = 1e-3  # by which the probabilities of an image may miss 1 in sum


@dataclass(frozen=True)
class SavedAnswers:
    """N images, in the order of the rows, and K classes."""

    paths: list[str]
    classes: list[str]  # of the columns p(<class>); where there are none, those that occur
    labels: np.ndarray  # (N,) places in `classes`
    predicted: np.ndarray  # (N,)
    losses: np.ndarray  # (N,) the negative logarithm of the probability of the true class
    probabilities: np.ndarray | None  # (N, K) where there are columns p(<class>)
    cells: list[list[str]]  # the rows as they are, the header first


def read_answers(path: Path) -> SavedAnswers:
    """Raises DataError for another table."""
    cells = table_of(path)
    header, *rows = cells or [[]]
    if missing := [name for name in NEEDED if name not in header]:
        found = f"no column {listed(missing)}; expected the {PREDICTIONS} of a run, with {', '.join(COLUMNS)}"
        raise DataError(f"{path}: {found}")
    if not rows:
        raise DataError(f"{path}: no rows; expected one for each image")
    if uneven := [number for number, row in enumerate(rows, 2) if len(row) != len(header)]:
        raise DataError(f"{path}: row {uneven[0]}: expected {len(header)} cells, as in the header")
    paths, true, predicted, losses = ([row[header.index(name)] for row in rows] for name in NEEDED)
    places = [i for i, name in enumerate(header) if name.startswith("p(") and name.endswith(")")]
    classes = [header[i][2:-1] for i in places] or sorted({*true, *predicted})
    labels = _places(path, "true", true, classes)
    taken = _places(path, "predicted", predicted, classes)
    probabilities = _numbers(path, [[row[i] for i in places] for row in rows]) if places else None
    if probabilities is not None:
        _check_sums(path, probabilities)
    return SavedAnswers(paths, classes, labels, taken, _numbers(path, losses), probabilities, cells)


def table_of(path: Path) -> list[list[str]]:
    """All rows of a csv. Raises DataError where it cannot be read as one."""
    try:
        return read_rows(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected a csv file") from None
    except Exception as error:  # of the csv module, or a file of bytes
        raise DataError(f"{path}: cannot be read as a csv: {error}") from None


def _places(path: Path, column: str, names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(classes)}
    for number, name in enumerate(names, 2):
        if name not in place:
            raise DataError(f"{path}: row {number}: {column}: no column p({name}){nearest(name, classes)}")
    return np.array([place[name] for name in names], dtype=np.int64)


def _numbers(path: Path, cells: Sequence) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: expected numbers in the columns loss and p(<class>): {error}") from None


def _check_sums(path: Path, probabilities: np.ndarray) -> None:
    """Raises DataError for a row of no probabilities."""
    sums = probabilities.sum(axis=1)
    wrong = ~((probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= OFF))
    if wrong.any():
        first = int(wrong.argmax())
        what = f"p(<class>) sum to {sums[first]:.4g}; expected numbers in 0..1 that sum to 1"
        raise DataError(f"{path}: row {first + 2}: {what}")
