"""benchmarks/memory.py at a small scale: its full one takes minutes."""

import subprocess
import sys

import pytest

from benchmarks import memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports shares of pages")
def test_two_workers_over_a_small_data_set_do_not_grow():
    """In a process of its own: what other tests leave in this one comes and goes."""
    options = ["--images", "10000", "--workers", "2", "--epochs", "2", "--batch-size", "512"]
    found = subprocess.run([sys.executable, memory.__file__, *options], capture_output=True, encoding="utf-8")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "10,000 images, 2 workers" in found.stdout


def test_growth_beyond_what_is_allowed_is_reported(monkeypatch, capsys):
    peaks = iter((100, 106))
    monkeypatch.setattr(memory, "run_epoch", lambda loader, epoch: memory.Epoch(next(peaks) * 2**20, 0, 0.0, 1.0))
    assert memory.main(["--images", "10", "--workers", "0", "--epochs", "2"]) == 1
    assert "grown by 6.00%" in capsys.readouterr().out
