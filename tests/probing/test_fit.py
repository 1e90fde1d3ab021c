"""Classifiers on features are scikit-learn's, by other numbers of classes too, and folds keep apart what they judge."""

from utils.probing.fit import (
    STRENGTHS,
    Labelled,
    as_head,
    best_by_folds,
    best_on,
    fit_path,
    most_folds,
    neighbours,
    score,
)

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def drawn(number, classes, *, dim=12, apart=1.0, seed=0):
    """Clouds of points of different spread and place; a third of the axes says which class it is."""
    source = np.random.default_rng(seed)
    y = np.arange(number) % classes
    centres = np.random.default_rng(9).normal(size=(classes, dim)) * apart
    scale = np.linspace(0.1, 30, dim)
    return Labelled(((source.normal(size=(number, dim)) + centres[y]) * scale + 7).astype(np.float32), y)


def theirs(data, strength):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return model.fit(data.x.astype(np.float64), data.y)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_logits_are_those_of_scikit_learns_pipeline(classes):
    data = drawn(140, classes)
    val = drawn(50, classes, seed=1)
    for ours in fit_path(data, classes, [0.01]):
        logits = ours.logits(val.x)
        expected = theirs(data, 0.01).decision_function(val.x.astype(np.float64))
        found = logits[:, 1] - logits[:, 0] if classes == 2 else logits
        assert np.abs(found - expected).max() <= 1e-5


def test_each_strength_of_a_path_gives_the_probabilities_of_a_fit_by_itself():
    data = drawn(140, 4, apart=0.5)
    val = drawn(50, 4, apart=0.5, seed=1)
    for ours in fit_path(data, 4):
        found = np.exp(ours.logits(val.x))
        found /= found.sum(1, keepdims=True)
        assert np.abs(found - theirs(data, ours.strength).predict_proba(val.x.astype(np.float64))).max() <= 5e-3


def test_scores_are_scikit_learns():
    val = drawn(60, 3, apart=0.3, seed=1)
    logits = fit_path(drawn(90, 3, apart=0.3), 3, [1.0])[0].logits(val.x)
    found = score(logits, val.y)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found.loss == pytest.approx(log_loss(val.y, probabilities), abs=1e-12)
    assert found.metrics.f1 == pytest.approx(f1_score(val.y, logits.argmax(1), average="macro"), abs=1e-12)
    assert found.confusion.sum() == 60


def test_the_strength_is_the_best_on_val():
    data = drawn(60, 3, apart=0.3)
    val = drawn(60, 3, apart=0.3, seed=1)
    classifier, found = best_on(data, val, 3)
    scores = {each.strength: score(each.logits(val.x), val.y).rank for each in fit_path(data, 3)}
    assert found.rank == max(scores.values()) == scores[classifier.strength]
    assert min(scores.values()) < found.rank


def test_folds_judge_each_image_by_the_others_alone():
    """Features that say which image it is, and nothing of its class, are of no use there."""
    y = np.arange(60) % 3
    strength, found = best_by_folds(Labelled(np.eye(60, dtype=np.float32), y), 3, 5, 0)
    assert found.metrics.accuracy < 0.5
    assert score(fit_path(Labelled(np.eye(60, dtype=np.float32), y), 3, [10.0])[0].logits(np.eye(60)), y).rank[0] == 1
    data = drawn(60, 3, apart=0.3)
    strength, found = best_by_folds(data, 3, 4, 7)
    logits = np.zeros((60, 3))
    for fitted, held in StratifiedKFold(4, shuffle=True, random_state=7).split(data.x, data.y):
        path = dict(zip(STRENGTHS, fit_path(data.part(fitted), 3)))
        logits[held] = path[strength].logits(data.x[held])
    assert found.rank == pytest.approx(score(logits, data.y).rank)


def test_a_class_that_a_fold_lacks_is_never_its_answer():
    data = drawn(40, 3)
    few = Labelled(data.x, np.where(data.y == 2, 0, data.y))
    [classifier] = fit_path(few, 3, [1.0])
    assert set(classifier.logits(data.x).argmax(1)) == {0, 1}
    rare = Labelled(data.x, np.where(np.arange(40) == 5, 2, few.y))
    _, found = best_by_folds(rare, 3, 5, 0)
    assert found.confusion.sum() == 40


def test_a_head_gives_a_class_without_an_image_a_logit_like_the_others():
    """-10,000 would be a loss of thousands for its images in val, to which the temperature is fitted."""
    data = drawn(40, 3)
    few = Labelled(data.x, np.where(data.y == 1, 0, data.y))
    [classifier] = fit_path(few, 3, [1.0])
    head = as_head(classifier, few)
    logits = head.logits(few.x)
    assert np.array_equal(logits[:, [0, 2]], classifier.logits(few.x)[:, [0, 2]])
    assert logits[:, 1] == pytest.approx(logits[:, [0, 2]].mean(axis=0).min())
    whole = fit_path(data, 3, [1.0])[0]
    assert np.array_equal(as_head(whole, data).logits(data.x), whole.logits(data.x))


def test_neighbours_of_few_images():
    data = drawn(6, 3, apart=5.0)
    assert neighbours(data, data) == 1.0


@pytest.mark.parametrize(
    ("counts", "folds"), [((5, 5), 5), ((5, 1), 1), ((2, 2, 1), 2), ((1, 1, 1), 1), ((9,), 1), ((0, 3, 4), 4)]
)
def test_folds_always_leave_two_classes(counts, folds):
    y = np.repeat(np.arange(len(counts)), counts)
    assert most_folds(y) == folds
    if folds > 1:
        x = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
        best_by_folds(Labelled(x, y), len(counts), folds, seed=0)
