"""The tables of a run folder: written here, read here, so that plots can be drawn from the files at any time."""

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import write_text
from ..tables import read_csv, read_rows, write_csv
from ..text import display_width
from ..training.metrics import Metrics

RESULTS, RESULTS_TEXT = "results.csv", "results.txt"
PER_CLASS, CONFUSION, COUNTS = "per_class.csv", "confusion_matrix.csv", "class_counts.csv"
CONFUSED = "most_confused.csv"
OF_BEST = "best.pth on "  # how lines of results.txt begin that are of no epoch
MOST_PAIRS = 100  # rows of most_confused.csv
SCORES = ("val_loss", "accuracy", "precision", "recall", "f1")  # columns that every results.csv has


@contextlib.contextmanager
def expecting(path: Path, content: str) -> Iterator[None]:
    """Turn what a damaged table leads to into a DataError naming the file."""
    try:
        yield
    except (KeyError, ValueError, TypeError, RecursionError, csv.Error) as error:
        raise DataError(f"{path}: expected {content}: {type(error).__name__}: {error}") from None


def _at_least_one(rows: list[Any]) -> list[Any]:
    if not rows:
        raise ValueError("it has no rows")
    return rows


def write_results(folder: Path, history: list[dict[str, Any]]) -> None:
    """results.csv: one header, one row an epoch, numbers in full precision."""
    header = list(dict.fromkeys(name for row in history for name in row))
    write_csv(folder / RESULTS, header, [[row.get(name, "") for name in header] for row in history])


def read_results(folder: Path) -> dict[str, np.ndarray]:
    """Columns of results.csv as (epochs,) floats; a gap is nan."""
    if not (folder / RESULTS).exists():
        return {}
    with expecting(folder / RESULTS, f"columns {', '.join(('epoch', *SCORES))}, of numbers"):
        rows = read_csv(folder / RESULTS)
        names = dict.fromkeys(("epoch", *SCORES, *rows[0])) if rows else ()
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def write_results_text(folder: Path, epoch: int, metrics: Metrics, classes: Sequence[str]) -> None:
    """Add the row of `epoch` to results.txt: four figures over all, then precision, recall and F1 of each class.

    Rows of this epoch or later ones, left by a run that was cut off, give way.
    """
    header = ["epoch", "accuracy", "precision", "recall", "F1-score"]
    figures = [metrics.accuracy, metrics.precision, metrics.recall, metrics.f1]
    for i, name in enumerate(classes):
        header += [f"P({name})", f"R({name})", f"F1({name})"]
        figures += [metrics.class_precision[i], metrics.class_recall[i], metrics.class_f1[i]]
    header = [" ".join(name.split()) for name in header]  # a line stays a line, whatever a folder is called
    widths = [max(8, display_width(name)) for name in header]
    row = "  ".join([f"{epoch:{widths[0]}d}", *(f"{v:{w}.4f}" for v, w in zip(figures, widths[1:]))])
    heading = "  ".join(" " * (w - display_width(name)) + name for name, w in zip(header, widths))
    kept = _rows_of_text(folder, epoch - 1)[1:]
    write_text(folder / RESULTS_TEXT, "\n".join([heading, *kept, row]) + "\n")


def cut_results_text(folder: Path, epoch: int) -> None:
    """Keep the rows up to `epoch` of results.txt."""
    if (folder / RESULTS_TEXT).exists():
        write_text(folder / RESULTS_TEXT, "".join(f"{line}\n" for line in _rows_of_text(folder, epoch)))


def add_to_results_text(folder: Path, name: str, sentence: str) -> None:
    """A line below the rows of results.txt: what best.pth does on the split `name`, in place of an older such line."""
    lines = _lines_of_text(folder)
    kept = [line for line in lines if not line.startswith(f"{OF_BEST}{name}")]
    write_text(folder / RESULTS_TEXT, "\n".join([*kept, f"{OF_BEST}{sentence}"]) + "\n")


def _rows_of_text(folder: Path, epoch: int) -> list[str]:
    """The heading of results.txt and its rows up to `epoch`; empty if there is no such file."""
    heading, *rows = _lines_of_text(folder) or [""]
    rows = [row for row in rows if row.split() and not row.startswith(OF_BEST)]
    return [heading, *(row for row in rows if int(row.split()[0]) <= epoch)]


def _lines_of_text(folder: Path) -> list[str]:
    path = folder / RESULTS_TEXT
    return path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines() if path.exists() else []


def write_evaluation(
    folder: Path,
    confusion: np.ndarray,
    metrics: Metrics,
    classes: Sequence[str],
    *,
    prefix: str = "",
    more: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """per_class.csv, confusion_matrix.csv (rows true, columns predicted) and most_confused.csv, behind `prefix`.

    more: further columns of per_class.csv, (K,) each; what is no number is left empty.
    """
    columns = metrics.class_precision, metrics.class_recall, metrics.class_f1, metrics.support, *more.values()
    header = ["class", "precision", "recall", "f1", "support", *more]
    rows = [[name, *("" if np.isnan(value) else value for value in values)] for name, *values in zip(classes, *columns)]
    write_csv(folder / f"{prefix}{PER_CLASS}", header, rows)
    counts = ([name, *row.tolist()] for name, row in zip(classes, confusion))  # (K, K): a row at a time
    write_csv(folder / f"{prefix}{CONFUSION}", ["true \\ predicted", *classes], counts)
    pairs = [[classes[i], classes[j], count, share] for i, j, count, share in confused_pairs(confusion, MOST_PAIRS)]
    write_csv(folder / f"{prefix}{CONFUSED}", ["true", "predicted", "count", "share"], pairs)


def confused_pairs(confusion: np.ndarray, most: int) -> list[tuple[int, int, int, float]]:
    """(true class, predicted class, count, share of the true class) of mistakes, the commonest first.

    confusion: (K, K) counts, rows true. Among equal counts the greater share comes first, then the order of classes.
    """
    shares = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    pairs = np.argwhere((confusion > 0) & ~np.eye(len(confusion), dtype=bool))
    rows, columns = pairs.T
    order = np.lexsort((columns, rows, -shares[rows, columns], -confusion[rows, columns]))[:most]
    return [(int(i), int(j), int(confusion[i, j]), float(shares[i, j])) for i, j in pairs[order]]


def read_per_class(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(names, (K, 3) precision, recall and F1, (K,) support)."""
    with expecting(folder / PER_CLASS, "columns class, precision, recall, f1 and support"):
        rows = _at_least_one(read_csv(folder / PER_CLASS))
        values = [[float(row[name]) for name in ("precision", "recall", "f1")] for row in rows]
        support = np.array([int(row["support"]) for row in rows])
        return [row["class"] for row in rows], np.array(values).reshape(-1, 3), support


def read_confusion(folder: Path, prefix: str = "") -> tuple[list[str], np.ndarray]:
    """(names, (K, K) counts)."""
    path = folder / f"{prefix}{CONFUSION}"
    with expecting(path, "as many rows of counts as columns"):
        (_, *names), *rows = read_rows(path)
        counts = np.array([[int(cell) for cell in row[1:]] for row in _at_least_one(rows)])
        return names, counts.reshape(len(names), len(names))


def write_counts(folder: Path, classes: Sequence[str], train: np.ndarray, val: np.ndarray) -> None:
    write_csv(folder / COUNTS, ["class", "train", "val"], list(zip(classes, train.tolist(), val.tolist())))


def read_counts(folder: Path) -> tuple[list[str], np.ndarray]:
    """(names, (K, 2) images in train and val)."""
    with expecting(folder / COUNTS, "columns class, train and val"):
        rows = _at_least_one(read_csv(folder / COUNTS))
        counts = np.array([[int(row["train"]), int(row["val"])] for row in rows]).reshape(-1, 2)
        return [row["class"] for row in rows], counts
