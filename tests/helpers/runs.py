"""Helpers for tests that look at whole runs."""

import json
import time
from pathlib import Path

from utils import tables
from utils.config import TrainConfig, train_config_from
from utils.config.schema import plain_values, render
from utils.report import run_tables
from utils.report.pictures import PICTURES
from utils.training.metrics import metrics_from
from utils.weights.checkpoint import load_checkpoint

import numpy as np
import torch

OLD_PICTURES = [name for name in PICTURES if name not in ("curves.jpg", "reliability.jpg")]  # also of older runs
THIN = (1, 1, 1)  # units in the stages of a ShuffleNetV2 that has few
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
    """Two run folders hold the same: tables, and checkpoints bit for bit."""
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


AUTO_OF_PICTURES = dict.fromkeys(("mean", "std", "img_size", "val_resize", "resize_mode", "interpolation"), "auto")


def plain_config(**values):
    """A checked config without 'auto': what `values` do not say is as before there was such a word."""
    return train_config_from({**plain_values(TrainConfig), **values}, "test")


def make_run(folder, names, *, epochs=12, confusion=None, steps_per_epoch=5, ema=True, **config):
    """The files of a made-up run over classes `names`; no tables of results where epochs is 0."""
    rng = np.random.default_rng(0)
    if confusion is None:
        confusion = rng.poisson(0.3, (len(names), len(names))) + np.diag(rng.integers(5, 20, len(names)))
    metrics = metrics_from(confusion)
    folder.mkdir(parents=True, exist_ok=True)
    text = render(TrainConfig.plain(**{"epochs": epochs, **config}), "A run.")
    (folder / "train_config.py").write_text(text, encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps({"steps_per_epoch": steps_per_epoch}))
    run_tables.write_counts(folder, names, rng.integers(20, 400, len(names)), confusion.sum(axis=1))
    if epochs:
        run_tables.write_results(folder, [made_up_row(epoch, ema) for epoch in range(1, epochs + 1)])
        run_tables.write_evaluation(folder, confusion, metrics, names)
    return confusion, metrics


def made_up_row(epoch, ema):
    scores = dict.fromkeys(("accuracy", "precision", "recall", "f1"), 1 - 1 / (epoch + 1))
    averaged = {"ema_val_loss": 1.9 / epoch, "ema_accuracy": 1 - 1 / (epoch + 2), "ema_f1": 0.5}
    return {"epoch": epoch, "train_loss": 2 / epoch, "val_loss": 2.2 / epoch, **scores, **(averaged if ema else {})}
