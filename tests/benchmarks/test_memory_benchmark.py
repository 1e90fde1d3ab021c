"""benchmarks/memory.py at a small scale: its full one takes minutes."""

import sys

import pytest

from benchmarks import memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports shares of pages")
def test_two_workers_over_a_small_data_set_do_not_grow(capsys):
    assert memory.main(["--images", "10000", "--workers", "2", "--epochs", "2", "--batch-size", "512"]) == 0
    assert "10,000 images, 2 workers" in capsys.readouterr().out


def test_growth_beyond_what_is_allowed_is_reported(monkeypatch, capsys):
    peaks = iter((100, 106))
    monkeypatch.setattr(memory, "run_epoch", lambda loader, epoch: memory.Epoch(next(peaks) * 2**20, 0, 0.0, 1.0))
    assert memory.main(["--images", "10", "--workers", "0", "--epochs", "2"]) == 1
    assert "grown by 6.00%" in capsys.readouterr().out
