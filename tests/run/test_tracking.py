"""Trackers of whole runs: event files against results.csv, through stops; on rank 0 alone; none that is absent."""

import os
import threading
import time
from dataclasses import replace

from utils import cli, tables
from utils.errors import ConfigError
from utils.report import pictures as report_pictures
from utils.run import tracking
from utils.trackers.registry import TRACKERS
from utils.trackers.worker import THREAD

import numpy as np
import pytest
from PIL import Image

import train
from tests.helpers.stopping import resumed, stopped_after
from tests.trackers.conftest import from_event_files
from tests.trackers.test_worker import Recorder


def assert_equals_results(folder, *, epochs):
    """The curves in the event file are the columns of results.csv, in the single precision of such files."""
    rows = tables.read_csv(folder / "results.csv")
    found = from_event_files(folder, None)
    assert len(rows) == epochs
    for name in set(rows[0]) - {"epoch"}:
        points = [(int(row["epoch"]), np.float32(row[name])) for row in rows]
        assert [(step, np.float32(value)) for step, value in found.points[name]] == points, name
    return found


@pytest.fixture
def one_picture(monkeypatch):
    """A run draws this one, at once."""

    def draw(folder):
        Image.new("RGB", (8, 6), "red").save(folder / "confusion_matrix.jpg")

    monkeypatch.setattr(report_pictures, "draw_run", draw)


def test_the_event_file_equals_results_csv_through_stops_and_a_resume_from_before(
    make_config, monkeypatch, one_picture
):
    config = make_config(epochs=2, loggers="tensorboard")
    folder = stopped_after(config, 4, monkeypatch)  # within the second epoch
    assert_equals_results(folder, epochs=1)
    resumed(config, folder)
    assert_equals_results(folder, epochs=2)
    os.replace(folder / "previous.pth", folder / "last.pth")  # of the second epoch, which comes again
    resumed(config, folder)
    found = assert_equals_results(folder, epochs=2)
    assert found.config["init_lr"] == 0.01
    assert found.pictures == {"confusion_matrix": [2]}
    assert [step for step, _ in found.points["val/accuracy"]] == [2]


@pytest.fixture
def installed(monkeypatch):
    """installed(kind) makes it the tracker that the word 'wandb' means, and its package one that is installed."""

    def install(kind):
        monkeypatch.setitem(TRACKERS, "wandb", kind)
        monkeypatch.setattr(tracking, "absent", lambda names: [])

    return install


def test_one_that_hangs_delays_no_step_and_the_run_ends_as_it_would(make_config, installed, monkeypatch):
    class Hanging(Recorder):
        def __init__(self, run):
            release.wait(20)

    class Clock:
        every = 1

        def on_step(self, step, figures):
            times.append(time.monotonic())

        def on_epoch(self, epoch):
            times.append(time.monotonic())

    release, times = threading.Event(), []
    installed(Hanging)
    monkeypatch.setattr(tracking, "FINISH_SECONDS", 0.1)
    folder = train.run(make_config(epochs=1, warmup_epochs=0, loggers=["wandb"]), observers=[Clock()])
    release.set()
    assert np.diff(times).max() < 10  # half of the time that it hangs; the machine may be busy
    assert "wandb: no answer in 0 s; missing there: epoch 1, the pictures" in (folder / "train.log").read_text()
    assert len(tables.read_csv(folder / "results.csv")) == 1


def test_a_run_that_is_stopped_is_not_finished_for_its_trackers(make_config, installed, monkeypatch):
    class Kept(Recorder):
        def __init__(self, run):
            super().__init__(run)
            kept.append((run, self))

    kept = []
    installed(Kept)
    folder = stopped_after(make_config(loggers=["wandb"], project="pets"), 4, monkeypatch)
    [(run, tracker)] = kept
    assert (run.project, run.name, run.folder) == ("pets", "shufflenetv2_0.5/exp0", folder)
    assert (tracker.epochs, tracker.concluded, tracker.closed) == ([1], False, False)


def test_other_ranks_than_0_have_no_tracker(make_config, monkeypatch, tmp_path):
    monkeypatch.setattr(tracking.distributed, "is_main", lambda: False)
    with tracking.tracked(make_config(loggers=["tensorboard"]), tmp_path, []) as observers:
        assert observers == []
    assert list(tmp_path.glob("events*")) == []


def test_an_absent_package_is_said_before_anything_is_written(make_config, monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "absent", lambda names: [name for name in names if name != "tensorboard"])
    config = make_config(loggers=["clearml", "tensorboard"])
    with pytest.raises(ConfigError, match=r"^config: loggers: 'clearml' needs: python -m pip install clearml$"):
        train.run(config)
    assert not (tmp_path / "logs").exists()
    monkeypatch.setattr(tracking.distributed, "is_main", lambda: False)
    tracking.check_trackers(replace(config, loggers=("clearml",)))  # rank 0 alone needs it


@pytest.mark.parametrize("hangs", [True, False])
def test_a_tracker_that_hangs_does_not_hold_up_the_end_of_the_process(monkeypatch, hangs):
    release, left = threading.Event(), []
    monkeypatch.setattr(cli.os, "_exit", left.append)
    thread = threading.Thread(name=f"{THREAD}wandb", target=release.wait, args=(20,), daemon=True)
    if hangs:
        thread.start()
    monkeypatch.setattr(threading, "enumerate", lambda: [thread] if hangs else [])  # not those of other tests
    with pytest.raises(SystemExit, match="3"):
        cli.leave(3)
    release.set()
    if hangs:
        thread.join()
    assert left == ([3] if hangs else [])
