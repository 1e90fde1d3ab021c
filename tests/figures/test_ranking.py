"""Areas and curves against scikit-learn, ties and missing classes included."""

from utils.figures.ranking import curve, ranking

import numpy as np
import pytest
from sklearn import metrics as sklearn

CASES = [(200, 5, None), (300, 4, 8), (50, 2, None), (40, 3, 2), (7, 3, 1)]  # images, classes, levels of scores


def drawn(images, classes, levels):
    generator = np.random.default_rng(images)
    scores = generator.random((images, classes))
    if levels:
        scores = np.round(scores * levels) / levels  # many ties
    return scores, np.arange(images) % classes


@pytest.mark.parametrize("case", CASES)
def test_areas_are_those_of_scikit_learn(case):
    scores, targets = drawn(*case)
    found = ranking(scores, targets)
    for k in range(scores.shape[1]):
        own = targets == k
        assert found.auc[k] == pytest.approx(sklearn.roc_auc_score(own, scores[:, k]), abs=1e-12)
        assert found.average_precision[k] == pytest.approx(
            sklearn.average_precision_score(own, scores[:, k]), abs=1e-12
        )
    assert found.macro_auc == pytest.approx(np.mean(found.auc), abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_points_lie_on_the_curves_of_scikit_learn(case):
    scores, targets = drawn(*case)
    found = curve(scores[:, 0], targets == 0)
    alarms, hits, thresholds = sklearn.roc_curve(targets == 0, scores[:, 0], drop_intermediate=False)
    theirs = {t: (a, h) for t, a, h in zip(thresholds, alarms, hits)}
    for threshold, alarm, recall in zip(found.thresholds, found.false_alarms, found.recall):
        assert (alarm, recall) == pytest.approx(theirs[threshold], abs=1e-12)
    precision, recall, thresholds = sklearn.precision_recall_curve(targets == 0, scores[:, 0])
    theirs = {t: (p, r) for t, p, r in zip(thresholds, precision, recall)}
    for threshold, *point in zip(found.thresholds, found.precision, found.recall):
        assert point == pytest.approx(theirs[threshold], abs=1e-12)


def test_a_class_without_images_or_without_others_has_no_area_and_is_no_part_of_the_mean():
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    found = ranking(scores, np.array([0, 1, 0]))
    assert np.isnan(found.auc[2])
    assert np.isnan(found.average_precision[2])
    assert found.macro_auc == 1
    assert found.macro_average_precision == 1
    alone = ranking(scores[:, :1], np.zeros(3, dtype=int))
    assert np.isnan(alone.auc[0])
    assert alone.average_precision[0] == 1
    assert np.isnan(alone.macro_auc)


def test_of_two_classes_both_orientations_agree():
    scores, targets = drawn(60, 2, None)
    scores[:, 1] = 1 - scores[:, 0]
    assert ranking(scores, targets).auc[0] == pytest.approx(ranking(scores, targets).auc[1], abs=1e-12)
