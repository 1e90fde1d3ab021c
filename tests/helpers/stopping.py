"""Runs that are asked to stop at an exact place, and go on."""

import signal
from dataclasses import replace
from pathlib import Path

from utils.run.trainer import Trainer
from utils.signals import Stopped

import pytest

import train


def stopped_after(config, step, monkeypatch):
    """The folder of a run that was asked to stop in `step`."""
    after = Trainer.after_step

    def stop_after(self, settled, stopping):
        after(self, settled, self.state.step == step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "after_step", stop_after)
        with pytest.raises(Stopped):
            train.run(config)
    return max(Path(config.log_root).glob("*/exp*"), key=lambda path: int(path.name[3:]))


def resumed(config, folder, **changes):
    return train.run(replace(config, resume=True, load_from=str(folder / "last.pth"), **changes))


def stop_at(monkeypatch, epoch):
    """End the run after `epoch` epochs as a crash would, once the epoch is saved."""
    finish = Trainer._finish_epoch

    def finish_and_stop(self, *args):
        finish(self, *args)
        if self.run_state.epoch == epoch:
            raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_finish_epoch", finish_and_stop)
