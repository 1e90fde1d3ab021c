"""A predictions.csv read back."""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..tables import read_rows
from ..text import listed, nearest
from .file_names import ENVIRONMENT, FOLDS, OUT_OF_FOLD

PREDICTIONS = "predictions.csv"  # behind test_ where a run has that of val too
COLUMNS = ("path", "true", "predicted", "p_true", "p_predicted", "margin", "loss", "rank")
NUMBERS = ("p_true", "p_predicted", "rank", "loss")
NEEDED = ("path", "true", "predicted", "loss")
SPLITS = ("val", OUT_OF_FOLD, "test", "train")  # of which the first that has results is that of predictions.csv
SOME = 20  # paths, at least, of which one has to be there
OFF = 1e-3  # by which the probabilities of an image may miss 1 in sum
MOST = 2**53  # no rank comes near
ROUNDED = 1e-6  # by which a probability may leave 0..1


@dataclass(frozen=True)
class SavedAnswers:
    """N images, in the order of the rows, and K classes."""

    paths: list[str]
    classes: list[str]  # those that were given; else of the columns p(<class>); where there are none, those that occur
    labels: np.ndarray  # (N,) places in `classes`
    predicted: np.ndarray  # (N,)
    p_true: np.ndarray  # (N,) 0..1; this and the next two are NaN where a table of others lacks the column
    p_predicted: np.ndarray  # (N,)
    ranks: np.ndarray  # (N,) of the true class, 1 for the first
    losses: np.ndarray  # (N,) the negative logarithm of p_true
    probabilities: np.ndarray | None  # (N, K) where there are columns p(<class>)
    cells: list[list[str]]  # the rows as they are, the header first


def read_answers(path: Path, classes: Sequence[str] | None = None) -> SavedAnswers:
    """Raises DataError for another table, and for names that are none of `classes`.

    classes: of the run; the columns p(<class>) are not read then.
    """
    header, *rows = table_of(path) or [[]]
    if missing := [name for name in NEEDED if name not in header]:
        found = f"no column {listed(missing)}; expected the {PREDICTIONS} of a run, with {', '.join(COLUMNS)}"
        raise DataError(f"{path}: {found}")
    if uneven := [number for number, row in enumerate(rows, 2) if len(row) != len(header)]:
        raise DataError(f"{path}: row {uneven[0]}: expected {len(header)} cells, as in the header")
    _check_count(path, len(rows))
    columns = {name: [row[header.index(name)] for row in rows] for name in COLUMNS if name in header}
    columns["path"] = from_here(columns["path"], path.parent)
    unknown = ["nan"] * len(rows)
    p_true, p_predicted, ranks, losses = (_numbers(path, columns.get(name, unknown)) for name in NUMBERS)
    places = [] if classes else [i for i, name in enumerate(header) if name.startswith("p(") and name.endswith(")")]
    names = list(classes or (header[i][2:-1] for i in places)) or sorted({*columns["true"], *columns["predicted"]})
    labels, predicted = (_places(path, name, columns[name], names) for name in ("true", "predicted"))
    _check_probabilities(path, "p_true", p_true)
    _check_probabilities(path, "p_predicted", p_predicted)
    _check_ranks(path, ranks, len(names) if classes or places else None)
    probabilities = None
    if places:
        probabilities = _numbers(path, [[row[i] for i in places] for row in rows]).reshape(len(rows), len(places))
        _check_sums(path, probabilities)
    figures = p_true, p_predicted, ranks, losses
    return SavedAnswers(columns["path"], names, labels, predicted, *figures, probabilities, [header, *rows])


def split_of(path: Path) -> str | None:
    """Which split a table of predictions is of, by its name and the results beside it; None where they do not say."""
    prefix = path.name.removesuffix(PREDICTIONS).rstrip("_")
    wanted = [prefix] if prefix in SPLITS else SPLITS if path.name == PREDICTIONS else []
    return next((split for split in wanted if (path.parent / f"{split}_results.json").is_file()), None)


def _check_count(path: Path, rows: int) -> None:
    """Raises DataError where the figures beside the table are of more or fewer images."""
    if (split := split_of(path)) is None:
        return
    results = path.parent / f"{split}_results.json"
    try:
        images = json.loads(results.read_bytes())["images"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # who reads the figures says what is wrong with them
    if images != rows:
        raise DataError(f"{path}: has {rows:,} rows, but {results} is of {images:,} images: one of them is damaged")


def from_here(paths: list[str], folder: Path) -> list[str]:
    """Paths of the run `folder`, or of a cross-validation's, that hold in the working directory, where it had another.

    Where they are gone there, as of a project that was renamed or of a container, they are looked for in the folders
    that the run lies in, then here: the first that has one of some has all.
    """
    start = working_directory_of(folder)
    here = os.getcwd()
    if start is None or start == here:
        return paths
    below = [path.removeprefix(os.path.join(start, "")) for path in paths]
    relative = [path for path in below if not os.path.isabs(path)]
    some = relative[:: max(1, len(relative) // SOME)]  # from all classes, of which one may be gone
    roots = [start, *map(str, Path(os.path.abspath(folder)).parents), *map(str, folder.resolve().parents), here]
    found = (root for root in roots for path in some if os.path.exists(os.path.join(root, path)))
    root = next(found, start)
    return below if root == here else [os.path.join(root, path) for path in below]


def working_directory_of(folder: Path) -> str | None:
    """That of the command that made `folder`; None where nothing in it says so."""
    for name in (ENVIRONMENT, FOLDS):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            return os.fspath(json.loads((folder / name).read_bytes())["working_directory"])
    return None


def table_of(path: Path) -> list[list[str]]:
    """All rows of a csv. Raises DataError where it cannot be read as one."""
    if path.is_dir():
        held = path / PREDICTIONS
        raise DataError(f"{path}: a folder; expected a csv file" + (f", such as {held}" if held.is_file() else ""))
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
            raise DataError(f"{path}: row {number}: {column}: {name!r} is none of the classes{nearest(name, classes)}")
    return np.array([place[name] for name in names], dtype=np.int64)


def _numbers(path: Path, cells: Sequence) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError as error:
        columns = f"{', '.join(NUMBERS)} and p(<class>)"
        raise DataError(f"{path}: expected numbers in the columns {columns}: {error}") from None


def _check_probabilities(path: Path, column: str, found: np.ndarray) -> None:
    """Raises DataError for a row outside 0..1; NaN, of a column that is not there, is left to who needs it."""
    _check_rows(path, column, found, (found < -ROUNDED) | (found > 1 + ROUNDED), "a probability in 0..1")


def _check_ranks(path: Path, found: np.ndarray, classes: int | None) -> None:
    """Raises DataError for a row without a rank among so many classes; None: nothing says how many there are."""
    expected = "an integer >= 1" if classes is None else f"an integer in 1..{classes}"
    wrong = (found < 1) | (found > (classes or MOST)) | (~np.isnan(found) & (found != np.floor(found)))
    _check_rows(path, "rank", found, wrong, expected)


def _check_rows(path: Path, column: str, found: np.ndarray, wrong: np.ndarray, expected: str) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise DataError(f"{path}: row {first + 2}: {column}: expected {expected}, got {found[first]:g}")


def _check_sums(path: Path, probabilities: np.ndarray) -> None:
    """Raises DataError for a row of no probabilities."""
    sums = probabilities.sum(axis=1)
    wrong = ~((probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= OFF))
    if wrong.any():
        first = int(wrong.argmax())
        what = f"p(<class>) sum to {sums[first]:.4g}; expected numbers in 0..1 that sum to 1"
        raise DataError(f"{path}: row {first + 2}: {what}")
