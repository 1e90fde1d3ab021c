"""Probabilities against scikit-learn, bins by hand, and a temperature that was planted."""

from utils.figures.confidence import brier_score, log_probabilities, ranks, reliability, risk_by_coverage
from utils.figures.temperature import fit_temperature

import numpy as np
import pytest
from sklearn import metrics as sklearn


def sampled(images, classes, seed=0):
    """Logits, and classes drawn by the probabilities that they mean."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, classes)) * 2
    cumulated = np.exp(log_probabilities(logits)).cumsum(axis=1)
    return logits, (generator.random((images, 1)) > cumulated).sum(axis=1).clip(max=classes - 1)


def test_losses_are_those_of_scikit_learn():
    logits, targets = sampled(300, 4)
    logarithms = log_probabilities(logits)
    probabilities = np.exp(logarithms)
    loss = -logarithms[np.arange(300), targets].mean()
    assert loss == pytest.approx(sklearn.log_loss(targets, probabilities, labels=range(4)), abs=1e-12)
    theirs = np.mean([((probabilities[i] - np.eye(4)[t]) ** 2).sum() for i, t in enumerate(targets)])
    assert brier_score(probabilities, targets) == pytest.approx(theirs, abs=1e-12)
    two = probabilities[:, :2] / probabilities[:, :2].sum(axis=1, keepdims=True)
    of_two = sklearn.brier_score_loss(targets % 2, two[:, 1])
    assert brier_score(two, targets % 2) == pytest.approx(2 * of_two, abs=1e-12)
    for k in (1, 2, 3):
        assert (ranks(logits, targets) <= k).mean() == pytest.approx(
            sklearn.top_k_accuracy_score(targets, logits, k=k, labels=range(4)), abs=1e-12
        )


def test_huge_logits_have_probabilities_all_the_same():
    found = log_probabilities(np.array([[1e30, 0.0], [-1e30, -1e30]], dtype=np.float32))
    assert np.exp(found).tolist() == [[1, 0], [0.5, 0.5]]


def test_the_first_rank_is_the_predicted_class_among_equals_too():
    scores = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert ranks(scores, np.array([0, 1, 2])).tolist() == [1, 2, 3]
    assert scores.argmax(axis=1).tolist() == [0, 0, 0]


def test_reliability_by_hand():
    confidence = np.array([0.9, 0.5, 0.6, 0.8])
    right = np.array([True, False, True, False])
    found = reliability(confidence, right, bins=2)
    assert found.confidence == pytest.approx([0.55, 0.85])
    assert found.accuracy.tolist() == [0.5, 0.5]
    assert found.error == pytest.approx((0.05 + 0.35) / 2)
    assert reliability(confidence, right, bins=15).images.tolist() == [1, 1, 1, 1]
    assert np.isnan(reliability(np.empty(0), np.empty(0, dtype=bool)).error)


def test_risk_falls_where_the_least_confident_are_wrong():
    found = risk_by_coverage(np.array([0.5, 0.9, 0.7, 0.6]), np.array([False, True, True, False]))
    assert found == pytest.approx([0, 0, 1 / 3, 1 / 2])


def test_a_planted_temperature_is_found():
    logits, targets = sampled(40_000, 10)
    assert fit_temperature(2.5 * logits, targets) == pytest.approx(2.5, rel=0.02)
    assert fit_temperature(0.4 * logits, targets) == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize("images", [1, 2, 10, 100])
def test_the_loss_is_never_greater_than_without(images):
    for seed in range(5):
        logits, targets = sampled(images, 3, seed)
        temperature = fit_temperature(logits, targets)
        before, after = (log_probabilities(logits, t)[np.arange(images), targets].mean() for t in (1, temperature))
        assert after >= before
        assert 0.05 < temperature < 20


def test_where_all_is_right_confidence_keeps_a_measure():
    logits = np.eye(3)[np.arange(30) % 3] * 4
    temperature = fit_temperature(logits, np.arange(30) % 3)
    assert 0.1 < temperature < 1
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=int)) == 1
