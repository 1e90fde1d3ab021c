"""Helpers for tests that look at whole runs."""

import time
from pathlib import Path

import torch

from utils import tables
from utils.checkpoint import load_checkpoint

TIMINGS = {"images_per_second", "data_wait", "seconds"}  # columns that differ between equal runs
UNEQUAL = TIMINGS | {"waited", "history", "config"}


def results(folder):
    """Rows of results.csv without the columns that time decides."""
    rows = tables.read_csv(Path(folder) / "results.csv")
    return [{name: value for name, value in row.items() if name not in TIMINGS} for row in rows]


def assert_same(a, b, where="checkpoint"):
    """Two nested values are equal, tensors bit for bit."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a.keys() - UNEQUAL:
            assert_same(a[name], b[name], f"{where}.{name}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b or (a != a and b != b), where


def assert_same_run(one, other):
    """Two run folders tell the same story: tables, and checkpoints bit for bit."""
    assert results(one) == results(other)
    for name in ("last.pth", "best.pth"):
        assert_same(load_checkpoint(Path(one) / name), load_checkpoint(Path(other) / name), name)
    assert Path(one, "results.txt").read_text() == Path(other, "results.txt").read_text()


def wait_for(condition, seconds=90):
    """Until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
