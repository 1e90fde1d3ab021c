"""Who is given the figures of a run while it goes on."""

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
