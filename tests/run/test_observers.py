"""Who is given the figures of a run while it goes on."""

import io
import sys

from utils.config import TrainConfig
from utils.log import RunLog
from utils.run.observers import Epoch, Lines
from utils.training.state import Progress

import pytest

import train
from tests.helpers.runs import results


class Recorder:
    every = 2

    def __init__(self):
        self.steps, self.epochs = [], []

    def on_step(self, step, figures):
        self.steps.append((step, figures))

    def on_epoch(self, epoch):
        self.epochs.append((dict(epoch.row), epoch.is_best, epoch.progress.images))


def test_an_observer_is_given_every_nth_step_and_every_epoch(make_config):
    recorder = Recorder()
    folder = train.run(make_config(epochs=3, batch_size=4, accumulate_steps=1), observers=[recorder])
    assert [step for step, _ in recorder.steps] == list(range(2, 3 * 6, 2))[: len(recorder.steps)]
    assert len(recorder.steps) >= 6
    assert all(figures["train_loss"] > 0 and figures["lr"] > 0 for _, figures in recorder.steps)
    rows = results(folder)
    assert [row["epoch"] for row, _, _ in recorder.epochs] == [1, 2, 3]
    assert [f"{row['lr']:.6g}" for row, _, _ in recorder.epochs] == [f"{float(row['lr']):.6g}" for row in rows]
    assert recorder.epochs[0][1]
    assert {images for _, _, images in recorder.epochs} == {21}


def test_an_observer_changes_nothing(make_config):
    config = make_config(epochs=2)
    one = train.run(config)
    other = train.run(config, observers=[Recorder()])
    assert (one / "results.txt").read_bytes() == (other / "results.txt").read_bytes()


@pytest.mark.parametrize(
    ("columns", "shown", "dropped"),
    [
        (300, ["precision", "waiting 2%", "* best (averaged weights)"], []),
        (120, ["val loss", "EMA accuracy", "* best (averaged weights)"], ["precision", "waiting"]),
        (40, ["epoch 3/9", "accuracy 0.9000", "* best (averaged weights)"], ["lr", "F1", "images/s"]),
    ],
)
def test_the_line_of_an_epoch_fits_the_terminal(columns, shown, dropped, monkeypatch, tmp_path):
    row = dict.fromkeys(("train_loss", "val_loss", "precision", "recall", "f1"), 0.5)
    row |= {"epoch": 3, "accuracy": 0.9, "ema_accuracy": 0.91, "lr": 1e-3, "images_per_second": 1.0}
    epoch = Epoch([{**row, "data_wait": 0.02, "seconds": 1.0}], None, ["a", "b"], Progress(), "averaged", 9)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    with RunLog() as run_log:
        run_log.write_to(tmp_path)
        Lines(TrainConfig.plain(), workers=0).on_epoch(epoch)
    line = terminal.getvalue().strip()
    assert all(text in line for text in shown)
    assert not any(text in line for text in dropped)
    assert len(line) <= columns or columns == 40
    assert "waiting 2%" in (tmp_path / "train.log").read_text()
