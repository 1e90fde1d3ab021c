"""Confident learning beside cleanlab, on sets with planted errors."""

from utils.label_errors.confident import calibrated_joint, label_errors

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

filters = pytest.importorskip("cleanlab.filter")
counting = pytest.importorskip("cleanlab.count")


def planted(seed):
    """(labels, probabilities) of 20 different kinds of sets: few and many classes, rare ones, little and much noise."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 30))
    images = int(rng.integers(60, 1500))
    frequency = rng.dirichlet(np.full(classes, rng.choice([0.5, 5])))
    true = rng.choice(classes, images, p=frequency)
    flipped = rng.random(images) < rng.choice([0.02, 0.1, 0.4])
    labels = np.where(flipped, rng.integers(0, classes, images), true)
    logits = rng.normal(size=(images, classes)) * rng.choice([0.3, 1, 3])
    logits[np.arange(images), true] += rng.choice([1, 3, 6])
    exponentials = np.exp(logits)
    return labels, exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(20))
def test_the_same_images_in_the_same_order_as_cleanlab(seed):
    labels, probabilities = planted(seed)
    expected = filters.find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    assert label_errors(labels, probabilities).tolist() == expected.tolist()
    joint = counting.compute_confident_joint(labels, probabilities)
    assert calibrated_joint(labels, probabilities).tolist() == joint.tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0, 1], [0, 0, 0, 0], [2, 2, 2, 0, 0, 1]])
def test_sets_that_are_hardly_any(labels):
    labels = np.array(labels)
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], len(labels))
    expected = filters.find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    assert label_errors(labels, probabilities).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_flipped_digits_are_found(seed):
    """One label in twenty is wrong: of the first images, until four fifths of these are found, four fifths are so."""
    pixels, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    flipped = rng.random(len(digits)) < 0.05
    labels = np.where(flipped, (digits + rng.integers(1, 10, len(digits))) % 10, digits)
    model = KNeighborsClassifier(10, weights="distance")
    probabilities = cross_val_predict(model, pixels, labels, cv=5, method="predict_proba")
    right = flipped[label_errors(labels, probabilities)]
    enough = np.cumsum(right) >= 0.8 * flipped.sum()
    assert enough.any()
    assert right[: enough.argmax() + 1].mean() >= 0.8
