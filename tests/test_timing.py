"""Timing: who is called when, what counts, and the figures made of it."""

import time

from utils.timing import Spread, interleaved, percentile, ratios, threads

import pytest
import torch


def test_calls_alternate_and_only_the_rounds_count():
    calls = []
    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3, warmup=2)
    assert "".join(calls) == "aabb" + "ab" + "ba" + "ab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_those_of_the_call():
    seconds = interleaved({"short": lambda: time.sleep(0.01), "long": lambda: time.sleep(0.05)}, rounds=2, warmup=0)
    assert min(seconds["short"]) >= 0.01
    assert min(seconds["long"]) >= 0.05
    assert max(ratios(seconds["long"], seconds["short"])) > 1


def test_the_device_is_waited_for_around_each_call(monkeypatch):
    events = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append(str(device)))
    interleaved({"a": lambda: events.append("call")}, rounds=1, warmup=0, device="cuda:1")
    assert events == ["cuda:1", "call", "cuda:1"]


def test_spread_is_median_and_percentiles():
    spread = Spread.of([float(value) for value in range(1, 102)])
    assert (spread.median, spread.low, spread.high) == (51, 11, 91)
    assert str(Spread(0.0121, 0.012, 0.0134)) == "12.1 ms [12.0 .. 13.4]"
    assert str(Spread(2.5, 0.95, 13.0)) == "2.50 s [0.950 .. 13.0]"
    assert percentile([3.0, 1.0, 2.0], 100) == 3.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_ratios_are_of_the_same_round():
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1.0, 2.0], [1.0])


def count_and_fail(counts):
    counts.append(torch.get_num_threads())
    raise KeyError


def test_threads_are_given_back_also_after_an_error():
    before, counts = torch.get_num_threads(), []
    with pytest.raises(KeyError), threads(before + 1):
        count_and_fail(counts)
    assert counts == [before + 1]
    assert torch.get_num_threads() == before
