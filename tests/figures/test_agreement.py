"""Figures of a confusion matrix against scikit-learn."""

import warnings

from utils.figures.agreement import cohens_kappa, matthews_coefficient, specificity
from utils.training.metrics import metrics_from

import numpy as np
import pytest
from sklearn import metrics as sklearn

LABELS = [
    ([0, 1, 2, 2, 1, 0], [0, 2, 2, 2, 1, 1]),
    ([0, 0, 1, 1], [1, 1, 0, 0]),
    ([0, 0, 0, 0], [0, 0, 0, 1]),
    ([0, 1, 0, 1], [1, 1, 1, 1]),  # always the same answer
    ([2, 2, 2], [0, 1, 2]),
]


@pytest.mark.parametrize(("true", "predicted"), LABELS)
def test_they_are_those_of_scikit_learn(true, predicted):
    confusion = sklearn.confusion_matrix(true, predicted, labels=range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sklearn.balanced_accuracy_score(true, predicted)
        assert metrics_from(confusion).balanced_accuracy == pytest.approx(theirs, abs=1e-12)
        assert cohens_kappa(confusion) == pytest.approx(sklearn.cohen_kappa_score(true, predicted), abs=1e-12)
        assert matthews_coefficient(confusion) == pytest.approx(sklearn.matthews_corrcoef(true, predicted), abs=1e-12)
        theirs = [
            sklearn.recall_score(np.array(true) != k, np.array(predicted) != k, zero_division=np.nan) for k in range(3)
        ]
    assert specificity(confusion) == pytest.approx(theirs, abs=1e-12, nan_ok=True)


def test_what_chance_would_always_have_right_has_no_kappa():
    assert np.isnan(cohens_kappa(np.array([[5, 0], [0, 0]])))
    assert np.isnan(cohens_kappa(np.zeros((2, 2), dtype=int)))
    assert matthews_coefficient(np.array([[5, 0], [0, 0]])) == 0
    assert metrics_from(np.zeros((2, 2), dtype=int)).balanced_accuracy == 0


def test_large_counts_do_not_overflow():
    confusion = np.array([[4_000_000, 1_000_000], [2_000_000, 3_000_000]], dtype=np.int64)
    small = np.array([[4, 1], [2, 3]])
    assert matthews_coefficient(confusion) == pytest.approx(matthews_coefficient(small), abs=1e-12)
    assert cohens_kappa(confusion) == pytest.approx(cohens_kappa(small), abs=1e-12)
