"""Figures from counts equal scikit-learn's."""

from utils.training.metrics import add_counts, metrics_from, no_counts

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

EXACT = dict(rtol=0, atol=1e-12)
RNG = np.random.default_rng(0)
CASES = {  # true classes, predicted classes, number of classes
    "random": (RNG.integers(0, 7, 500), RNG.integers(0, 7, 500), 7),
    "mostly right": (np.arange(500) % 7, np.where(RNG.random(500) < 0.9, np.arange(500) % 7, 3), 7),
    "absent from val": (RNG.integers(0, 3, 50) * 2, RNG.integers(0, 5, 50), 6),
    "absent from val and never predicted": (RNG.integers(0, 3, 50), RNG.integers(0, 3, 50), 6),
    "never predicted": (RNG.integers(0, 4, 50), np.ones(50, dtype=np.int64), 4),
    "all wrong": (np.zeros(9, dtype=np.int64), np.ones(9, dtype=np.int64), 3),
    "one class": (np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 1),
    "one image": (np.array([1]), np.array([1]), 3),
}


def counts(true, predicted, classes):
    return add_counts(no_counts(classes), torch.from_numpy(predicted), torch.from_numpy(true))


def figures(true, predicted, classes):
    return metrics_from(counts(true, predicted, classes).numpy())


@pytest.mark.filterwarnings("ignore:A single label")
@pytest.mark.parametrize("case", CASES)
def test_counts_are_scikit_learns_matrix(case):
    true, predicted, classes = CASES[case]
    found = counts(true, predicted, classes)
    assert found.dtype == torch.int64
    assert np.array_equal(found.numpy(), confusion_matrix(true, predicted, labels=range(classes)))


@pytest.mark.parametrize(("predicted", "true"), [([0], [3]), ([3], [2]), ([0], [-1])])
def test_classes_out_of_range_are_refused(predicted, true):
    with pytest.raises((IndexError, RuntimeError), match="out of|range"):
        counts(np.array(true), np.array(predicted), 3)


@pytest.mark.parametrize("case", CASES)
def test_figures_over_all_are_scikit_learns(case):
    true, predicted, classes = CASES[case]
    found = figures(true, predicted, classes)
    expected = precision_recall_fscore_support(true, predicted, average="macro", zero_division=0)
    np.testing.assert_allclose([found.precision, found.recall, found.f1], expected[:3], **EXACT)
    assert found.accuracy == pytest.approx(accuracy_score(true, predicted), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_figures_of_each_class_are_scikit_learns(case):
    true, predicted, classes = CASES[case]
    found = figures(true, predicted, classes)
    expected = precision_recall_fscore_support(true, predicted, labels=range(classes), zero_division=0)
    given = found.class_precision, found.class_recall, found.class_f1, found.support
    for ours, theirs in zip(given, expected):
        np.testing.assert_allclose(ours, theirs, **EXACT)


def test_no_images_give_zeros():
    found = metrics_from(np.zeros((3, 3), dtype=np.int64))
    assert (found.accuracy, found.precision, found.recall, found.f1) == (0, 0, 0, 0)
    assert found.support.tolist() == [0, 0, 0]


def test_shards_of_counts_add_up_to_the_whole():
    true, predicted, classes = CASES["random"]
    shards = [counts(true[r::3], predicted[r::3], classes) for r in range(3)]
    whole = figures(true, predicted, classes)
    summed = metrics_from(sum(shards).numpy())
    assert whole.summary(0.5) == summed.summary(0.5)
    assert list(whole.summary(0.5)) == ["val_loss", "accuracy", "precision", "recall", "f1"]
