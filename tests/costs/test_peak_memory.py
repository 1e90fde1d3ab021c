"""Peak memory of a call: what it holds at most, whether it keeps it or not."""

import mmap
import sys

from utils.costs import peak_memory as memory
from utils.costs.peak_memory import peak_growth

import pytest

MB = 2**20
PIECE = b"x" * MB


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_counts_what_is_held_at_once_and_given_back():
    def hold_and_drop():
        for size in (64, 16):
            with mmap.mmap(-1, size * MB) as held:  # given back for certain, which free memory of an allocator is not
                for _ in range(size):
                    held.write(PIECE)

    growth = peak_growth(hold_and_drop)
    if growth is None:
        pytest.skip("this container hides it")
    assert 60 * MB <= growth < 76 * MB
    assert peak_growth(lambda: None) < 8 * MB


def test_is_unknown_where_the_system_does_not_report_it(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none")
    assert peak_growth(lambda: None) is None
    monkeypatch.setattr(memory, "CLEAR", tmp_path)  # there, but not to be written
    assert peak_growth(lambda: None) is None
