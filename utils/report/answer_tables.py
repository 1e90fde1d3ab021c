"""What a run writes of each image that it is judged by, and of the curves over them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..figures.confidence import Reliability, ranks
from ..figures.ranking import curve
from ..tables import read_csv, write_csv
from ..training.metrics import Answers
from .run_tables import expecting
from .saved_answers import COLUMNS

Points = tuple[np.ndarray, np.ndarray]  # x and y of a curve

ROC, PR, RELIABILITY = "roc.csv", "pr.csv", "reliability.csv"
MOST_POINTS = 10_000  # rows of roc.csv and pr.csv, over all classes
MOST_COLUMNS = 100  # classes up to which predictions.csv has the probability of each


def write_answers(
    path: Path,
    names: Sequence[str],
    answers: Answers,
    classes: Sequence[str],
    logarithms: np.ndarray,
) -> None:
    """predictions.csv: a row for each image.  logarithms: (N, K) of its probabilities, calibrated.

    margin: of the likeliest class over the second.  loss: the negative logarithm of p_true.  rank: of the true class, 1
    where it is predicted.
    """
    logits, targets = answers.logits, answers.targets
    probabilities = np.exp(logarithms)
    places = np.arange(len(targets))
    predicted = logits.argmax(axis=1)
    top = -np.partition(-probabilities, min(1, len(classes) - 1), axis=1)[:, :2]
    of_true, of_predicted = probabilities[places, targets], probabilities[places, predicted]
    margins = top[:, 0] - top[:, 1] if len(classes) > 1 else top[:, 0]
    columns = [
        *(names, [classes[i] for i in targets], [classes[i] for i in predicted], of_true, of_predicted, margins),
        *(np.maximum(0, -logarithms[places, targets]), ranks(logits, targets)),
    ]
    header = list(COLUMNS)
    if len(classes) <= MOST_COLUMNS:
        header += [f"p({name})" for name in classes]
        columns += list(probabilities.T)
    write_csv(path, header, list(zip(*columns)))


def write_curves(
    folder: Path, targets: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], prefix: str
) -> None:
    """roc.csv and pr.csv, behind `prefix`: of each class against the others, falling thresholds.

    targets: (N,).  probabilities: (N, K), calibrated.  Of many points every so manieth is kept, and the last.
    """
    roc, pr = [], []
    most = max(2, MOST_POINTS // len(classes))
    for k, name in enumerate(classes):
        found = curve(probabilities[:, k], targets == k)
        if not found.images or not found.others:
            continue
        for i in kept_points(len(found.thresholds), most):
            roc.append((name, found.thresholds[i], found.false_alarms[i], found.recall[i]))
            pr.append((name, found.thresholds[i], found.recall[i], found.precision[i]))
    write_csv(folder / f"{prefix}{ROC}", ("class", "threshold", "false_positive_rate", "true_positive_rate"), roc)
    write_csv(folder / f"{prefix}{PR}", ("class", "threshold", "recall", "precision"), pr)


def kept_points(points: int, most: int) -> np.ndarray:
    """Indices of at most `most` of so many points, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, most)).round().astype(int))


def write_reliability(folder: Path, bins: Mapping[str, Reliability], prefix: str) -> None:
    """reliability.csv, behind `prefix`: images in bins of equal counts by their confidence.

    bins: of 'uncalibrated' and 'calibrated' probabilities.
    """
    rows = [(kind, *row) for kind, each in bins.items() for row in zip(each.confidence, each.accuracy, each.images)]
    write_csv(folder / f"{prefix}{RELIABILITY}", ("probabilities", "confidence", "accuracy", "images"), rows)


def read_curves(folder: Path, prefix: str = "") -> tuple[dict[str, Points], dict[str, Points]]:
    """ROC and precision-recall curves by class."""
    roc = read_points(folder / f"{prefix}{ROC}", "false_positive_rate", "true_positive_rate")
    return roc, read_points(folder / f"{prefix}{PR}", "recall", "precision")


def read_points(path: Path, x: str, y: str) -> dict[str, Points]:
    with expecting(path, f"columns class, {x} and {y}"):
        points: dict[str, list[tuple[float, float]]] = {}
        for row in read_csv(path):
            points.setdefault(row["class"], []).append((float(row[x]), float(row[y])))
        columns = {name: np.array(each).T for name, each in points.items()}
        return {name: (each[0], each[1]) for name, each in columns.items()}


def read_reliability(folder: Path, prefix: str = "") -> dict[str, Reliability]:
    """Bins of 'uncalibrated' and 'calibrated' probabilities."""
    path = folder / f"{prefix}{RELIABILITY}"
    with expecting(path, "columns probabilities, confidence, accuracy and images"):
        bins: dict[str, list[tuple[float, float, int]]] = {"uncalibrated": [], "calibrated": []}
        for row in read_csv(path):
            bins[row["probabilities"]].append((float(row["confidence"]), float(row["accuracy"]), int(row["images"])))
        return {kind: Reliability(*np.array(rows).reshape(-1, 3).T) for kind, rows in bins.items()}
