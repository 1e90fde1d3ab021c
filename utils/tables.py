"""The tables of a run folder: written here, read here, so that plots can be drawn from the files at any time."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint import write_text
from .metrics import Metrics

RESULTS, RESULTS_TEXT = "results.csv", "results.txt"
PER_CLASS, CONFUSION, COUNTS = "per_class.csv", "confusion_matrix.csv", "class_counts.csv"


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def write_results(folder: Path, history: list[dict[str, Any]]) -> None:
    """results.csv: one header, one row an epoch, numbers in full precision."""
    header = list(dict.fromkeys(name for row in history for name in row))
    write_csv(folder / RESULTS, header, [[row.get(name, "") for name in header] for row in history])


def read_results(folder: Path) -> dict[str, np.ndarray]:
    """Columns of results.csv as (epochs,) floats; a gap is nan."""
    rows = read_csv(folder / RESULTS) if (folder / RESULTS).exists() else []
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else {})}


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
    widths = [max(8, _width(name)) for name in header]
    row = "  ".join([f"{epoch:{widths[0]}d}", *(f"{v:{w}.4f}" for v, w in zip(figures, widths[1:]))])
    path = folder / RESULTS_TEXT
    kept = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()[1:] if path.exists() else []
    kept = [line for line in kept if line.split() and int(line.split()[0]) < epoch]
    heading = "  ".join(" " * (w - _width(name)) + name for name, w in zip(header, widths))
    write_text(path, "\n".join([heading, *kept, row]) + "\n")


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def write_evaluation(folder: Path, confusion: np.ndarray, metrics: Metrics, classes: Sequence[str]) -> None:
    """per_class.csv and confusion_matrix.csv (rows true, columns predicted) of one evaluation."""
    columns = metrics.class_precision, metrics.class_recall, metrics.class_f1, metrics.support
    header = ["class", "precision", "recall", "f1", "support"]
    write_csv(folder / PER_CLASS, header, [[name, *values] for name, *values in zip(classes, *columns)])
    write_csv(folder / CONFUSION, ["true \\ predicted", *classes], [[n, *row] for n, row in zip(classes, confusion)])


def read_per_class(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(names, (K, 3) precision, recall and F1, (K,) support)."""
    rows = read_csv(folder / PER_CLASS)
    figures = np.array([[float(row[name]) for name in ("precision", "recall", "f1")] for row in rows]).reshape(-1, 3)
    return [row["class"] for row in rows], figures, np.array([int(row["support"]) for row in rows])


def read_confusion(folder: Path) -> tuple[list[str], np.ndarray]:
    """(names, (K, K) counts)."""
    with open(folder / CONFUSION, encoding="utf-8", errors="surrogateescape", newline="") as file:
        header, *rows = csv.reader(file)
    return header[1:], np.array([[int(cell) for cell in row[1:]] for row in rows]).reshape(len(header) - 1, -1)


def write_counts(folder: Path, classes: Sequence[str], train: np.ndarray, val: np.ndarray) -> None:
    write_csv(folder / COUNTS, ["class", "train", "val"], list(zip(classes, train.tolist(), val.tolist())))


def read_counts(folder: Path) -> tuple[list[str], np.ndarray]:
    """(names, (K, 2) images in train and val)."""
    rows = read_csv(folder / COUNTS)
    counts = np.array([[int(row["train"]), int(row["val"])] for row in rows]).reshape(-1, 2)
    return [row["class"] for row in rows], counts
