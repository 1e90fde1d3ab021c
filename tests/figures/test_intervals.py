"""Intervals hold as often as they say, and follow what is resampled."""

from utils.figures.intervals import DRAWS, Interval, bootstrap_macro, draws_for, wilson
from utils.figures.pairs import difference, mcnemar
from utils.training.metrics import metrics_from

import numpy as np
import pytest


def test_wilson_by_hand():
    found = wilson(81, 263)  # https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20).low == 0
    assert wilson(20, 20).high == 1
    assert wilson(20, 20).low == pytest.approx(0.8389, abs=5e-5)
    assert str(Interval(0.9034, 0.936)) == "[90.3, 93.6]"
    assert wilson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize(("share", "images"), [(0.9, 500), (0.7, 200), (0.5, 100)])
def test_accuracy_of_simulated_sets_is_covered_as_often_as_said(share, images):
    rights = np.random.default_rng(1).binomial(images, share, size=1000)
    intervals = [wilson(int(right), images) for right in rights]
    assert 0.94 <= np.mean([each.low <= share <= each.high for each in intervals]) <= 0.96


def test_macro_figures_of_simulated_sets_are_covered_as_often_as_said():
    chances = np.array([[0.30, 0.03, 0.02], [0.04, 0.25, 0.01], [0.03, 0.05, 0.27]])
    true = metrics_from(np.round(chances * 1_000_000).astype(int))
    sets = np.random.default_rng(2).multinomial(600, chances.ravel(), size=1000).reshape(-1, 3, 3)
    found = [bootstrap_macro(counts, seed=i, draws=500) for i, counts in enumerate(sets)]
    for name in ("precision", "recall", "f1"):
        intervals = [getattr(each, name) for each in found]
        covered = np.mean([each.low <= getattr(true, name) <= each.high for each in intervals])
        assert 0.94 <= covered <= 0.96, name


def test_draws_are_those_of_resampled_images():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 4, 80)
    predicted = generator.integers(0, 3, 80)
    confusion = np.zeros((5, 5), dtype=int)
    np.add.at(confusion, (true, predicted), 1)
    found = []
    for _ in range(2000):
        rows = generator.integers(0, 80, 80)
        counts = np.zeros((5, 5), dtype=int)
        np.add.at(counts, (true[rows], predicted[rows]), 1)
        found.append(metrics_from(counts).f1)
    low, high = np.percentile(found, [2.5, 97.5])
    interval = bootstrap_macro(confusion).f1
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)


def test_the_seed_fixes_it_and_many_cells_mean_fewer_draws():
    confusion = np.diag([30, 20, 10]) + 1
    assert bootstrap_macro(confusion, seed=3) == bootstrap_macro(confusion, seed=3)
    assert bootstrap_macro(confusion).draws == DRAWS
    assert [draws_for(cells) for cells in (2000, 20_000, 10**6)] == [10_000, 1000, 500]
    assert bootstrap_macro(np.zeros((3, 3), dtype=int)).f1 == Interval(0.0, 1.0)


def test_mcnemar_by_hand():
    assert mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar(4, 4) == 1
    assert mcnemar(0, 0) == 1
    assert mcnemar(450, 540) == pytest.approx(mcnemar(480, 576), rel=0.6)  # exact, then approximated
    assert mcnemar(600, 500) == pytest.approx(0.0028, abs=2e-4)


def test_two_classifiers_on_the_same_images():
    first = np.ones(100, dtype=bool)
    second = np.arange(100) >= 20
    found = difference(first, second)
    assert found.value == pytest.approx(0.2)
    assert (found.only_first, found.only_second) == (20, 0)
    assert found.interval.low < 0.2 < found.interval.high
    assert found.interval.low == pytest.approx(0.12, abs=0.02)
    assert found.differs
    assert str(found).endswith("differs")
    assert not difference(first, first).differs
    assert str(difference(first, np.arange(100) >= 1)).endswith("cannot be told apart")
    with pytest.raises(ValueError, match="the same images"):
        difference(first, second[:50])
