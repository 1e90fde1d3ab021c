"""How far an epoch is, where no bar can be drawn."""

from types import SimpleNamespace

from utils.training import bars
from utils.training.bars import progress_bar

import pytest


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by four seconds at each look."""
    times = iter(range(0, 10_000, 4))
    monkeypatch.setattr(bars, "time", SimpleNamespace(monotonic=lambda: next(times)))


@pytest.mark.usefixtures("clock")
def test_a_line_every_ten_seconds_says_how_far_it_is(capsys):
    assert list(progress_bar(range(8), 8, "epoch 1", lambda item: 32)) == list(range(8))
    lines = ["epoch 1: 3 of 8 steps, 8 images/s, 20 s left", "epoch 1: 6 of 8 steps, 8 images/s, 8 s left"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_quick_one_says_nothing(capsys):
    assert list(progress_bar("abc", 3, "val", len)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("clock")
def test_a_console_that_is_gone_changes_nothing(monkeypatch):
    def fail(text):
        raise BrokenPipeError

    monkeypatch.setattr(bars.sys, "stderr", SimpleNamespace(isatty=lambda: False, write=fail, flush=lambda: None))
    assert list(progress_bar(range(8), 8, "val", lambda item: 1)) == list(range(8))


@pytest.mark.usefixtures("clock")
def test_other_ranks_are_silent(monkeypatch, capsys):
    monkeypatch.setattr(bars.distributed, "is_main", lambda: False)
    assert list(progress_bar(range(8), 8, "val", lambda item: 1)) == list(range(8))
    assert capsys.readouterr().err == ""
