"""Figures of a confusion matrix beside accuracy, precision, recall and F1: what chance or a large class would give."""

import numpy as np


def confusion_of(targets: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """(K, K) counts, rows true. targets, predicted: (N,) in 0..K-1."""
    cells = targets * num_classes + predicted
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def cohens_kappa(confusion: np.ndarray) -> float:
    """Agreement beyond chance, at most 1; NaN where chance agrees always. https://doi.org/10.1177/001316446002000104"""
    total = confusion.sum()
    if not total:
        return float("nan")
    wrong = 1 - np.trace(confusion) / total
    by_chance = 1 - confusion.sum(axis=1) @ (confusion.sum(axis=0) / total) / total
    return float(1 - wrong / by_chance) if by_chance > 0 else float("nan")


def matthews_coefficient(confusion: np.ndarray) -> float:
    """Correlation of true and predicted classes, -1..1; 0 where either is always the same.

    For many classes as https://doi.org/10.1016/j.compbiolchem.2004.09.006, equation 8.
    """
    counts = confusion.astype(np.float64)
    true = counts.sum(axis=1)
    predicted = counts.sum(axis=0)
    total = counts.sum()
    together = np.trace(counts) * total - true @ predicted
    spread = (total**2 - true @ true) * (total**2 - predicted @ predicted)
    return float(together / np.sqrt(spread)) if spread > 0 else 0.0


def specificity(confusion: np.ndarray) -> np.ndarray:
    """(K,) the share of other images that are not taken for each class; NaN where there is no other image."""
    total = confusion.sum()
    hits = np.diag(confusion)
    others = total - confusion.sum(axis=1)
    alarms = confusion.sum(axis=0) - hits
    return np.divide(others - alarms, others, out=np.full(len(confusion), np.nan), where=others > 0)
