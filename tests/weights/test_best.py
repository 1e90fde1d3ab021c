"""The comparison of epochs."""

import math

from utils.weights.best import Best

import pytest


def best(value, loss=1.0, **values):
    return Best(**{"epoch": 1, "value": value, "val_loss": loss, "weights": "net", **values})


def test_the_greater_value_is_better_then_the_lower_loss_then_the_earlier_epoch():
    assert best(0.6).beats(best(0.5, 0.1))
    assert not best(0.5).beats(best(0.6))
    assert best(0.5, 0.9).beats(best(0.5, 1.0))
    assert not best(0.5, 1.0, epoch=2).beats(best(0.5, 1.0))
    assert best(0.0).beats(None)


def test_a_smaller_value_is_better_where_the_mode_says_so():
    one = best(0.4, metric="val_loss", mode="min")
    other = best(0.5, metric="val_loss", mode="min")
    assert one.beats(other)
    assert not other.beats(one)


@pytest.mark.parametrize("figures", [(0.9, math.nan), (0.9, math.inf), (math.nan, 0.1), (math.inf, 0.1)])
def test_what_is_not_finite_is_never_best(figures):
    assert not best(*figures).beats(None)
    assert not best(*figures).beats(best(0.1))
    assert not best(*figures).beats(best(math.nan))
    assert best(0.1, 100.0).beats(best(*figures))  # of a checkpoint of an earlier version


@pytest.mark.parametrize(
    "each",
    [
        best(0.5),
        best(0.5, 0.25, epoch=7, weights="net_ema", metric="macro_f1"),
        best(2.0, metric="val_loss", mode="min"),
    ],
)
def test_it_comes_back_from_plain_types(each):
    if each.metric != "val_loss":
        assert Best.from_plain(each.to_plain()) == each
    assert all(type(value) in (int, float, str) for value in each.to_plain().values())


def test_that_of_an_older_checkpoint_is_of_accuracy():
    assert Best.from_plain({"epoch": 3, "accuracy": 0.5, "val_loss": 1.0, "weights": "net"}) == best(0.5, epoch=3)
    assert Best.from_plain({}) is None


@pytest.mark.parametrize(
    "wrong", [{"epoch": 0}, {"accuracy": "a"}, {"accuracy": 10**400}, {"weights": "all"}, {"mode": "up"}]
)
def test_what_is_none_is_refused(wrong):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Best.from_plain({**best(0.5).to_plain(), **wrong})
