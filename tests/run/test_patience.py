"""A run ends for want of progress as Keras' EarlyStopping would end it."""

import json
from dataclasses import replace

from utils.config import TrainConfig
from utils.report.compared_runs import ranked
from utils.report.curves import scores
from utils.run.patience import Patience
from utils.signals import Stopped
from utils.training.metrics import MONITORS
from utils.weights.best import Best
from utils.weights.checkpoint import load_checkpoint, save_checkpoint

import pytest

import train
from tests.helpers.runs import assert_same_run, results
from tests.helpers.stopping import resumed, stop_at


def ends_after(values, *, mode="max", **keys):
    """The epoch after which the run ends, by the figures of its epochs; None where it does not."""
    config = TrainConfig.plain(**keys)
    count = Patience()
    for epoch, value in enumerate(values, 1):
        count = count.after(Best(epoch, value, 1.0, "net", "figure", mode), config)
        if count.is_over(config):
            return epoch
    return None


@pytest.mark.parametrize(
    ("values", "keys", "end"),
    [
        ([0.5, 0.6, 0.6, 0.6], dict(patience=2), 4),  # to equal the best is no progress
        ([0.5, 0.6, 0.5, 0.7, 0.6, 0.6], dict(patience=2), 6),
        ([0.5, 0.55, 0.59, 0.61, 0.62], dict(patience=2, min_delta=0.1), 3),  # 0.61 is more than 0.1 above 0.5
        ([0.5, 0.55, 0.61, 0.65, 0.70], dict(patience=2, min_delta=0.1), 5),
        ([0.9, 0.1, 0.1, 0.2, 0.1, 0.1], dict(patience=2, start_from_epoch=3), 6),  # 0.9 is forgotten
        ([0.5, float("nan"), float("nan")], dict(patience=2), 3),
        ([float("nan"), 0.5, 0.6, 0.6], dict(patience=2), None),
        ([0.5] * 50, dict(patience=0), None),
    ],
)
def test_the_epoch_of_the_end(values, keys, end):
    assert ends_after(values, **keys) == end
    assert ends_after([-value for value in values], mode="min", **keys) == end


def test_a_run_that_is_interrupted_ends_in_the_same_epoch(make_config, monkeypatch):
    config = make_config(epochs=9, patience=2, monitor="macro_auc", min_delta=0.9, use_ema=False)
    whole = train.run(config)
    assert len(results(whole)) == 3
    assert 0 <= float(results(whole)[0]["macro_auc"]) <= 1
    for stop in (1, 2):
        with monkeypatch.context() as patch:
            stop_at(patch, stop)
            with pytest.raises(Stopped):
                train.run(config) if stop == 1 else resumed(config, whole.parent / "exp1")
    part = resumed(config, whole.parent / "exp1")
    assert_same_run(whole, part)
    assert "at a learning rate of" in (part / "train.log").read_text()
    resumed(config, part)
    assert len(results(part)) == 3
    resumed(config, part, patience=4)
    assert len(results(part)) == 5


@pytest.mark.parametrize(("before", "after"), [("accuracy", "val_loss"), ("val_loss", "macro_f1")])
def test_a_resumed_run_that_watches_another_figure_compares_the_best_epoch_by_it(make_config, before, after):
    config = make_config(epochs=2, monitor=before, patience=9, use_ema=False)
    folder = train.run(config)
    best = load_checkpoint(folder / "best.pth")["best"]["epoch"]
    changes = dict(resume=True, load_from=str(folder / "last.pth"), monitor=after, epochs=3)
    train.run(replace(config, **changes))
    column = {"macro_f1": "f1"}.get(after, after)
    state = load_checkpoint(folder / "last.pth")
    said = (folder / "train.log").read_text(encoding="utf-8")
    value = float(results(folder)[best - 1][column])
    assert f"monitor: was {before}, is {after}: epoch {best} stays the best, with {value:.4f}" in said
    assert (state["best"]["metric"], state["best"][after]) == (after, pytest.approx(best_of(folder, column, after)))
    assert state["patience"]["value"] == pytest.approx(state["best"][after])


def best_of(folder, column, monitor):
    return {"max": max, "min": min}[MONITORS[monitor]](float(row[column]) for row in results(folder))


def test_a_figure_that_was_not_recorded_before_begins_anew(make_config):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    changes = dict(resume=True, load_from=str(folder / "last.pth"), monitor="macro_auc")
    train.run(replace(config, **changes))  # without an epoch to come nothing is compared, and the best one stays
    assert load_checkpoint(folder / "last.pth")["best"]["metric"] == "accuracy"
    assert "done: best accuracy" in (folder / "train.log").read_text(encoding="utf-8").splitlines()[-1]
    train.run(replace(config, **changes, epochs=2))
    best = load_checkpoint(folder / "best.pth")["best"]
    assert (best["epoch"], best["metric"]) == (2, "macro_auc")
    assert "which the epochs so far have not recorded" in (folder / "train.log").read_text(encoding="utf-8")


def test_the_best_epoch_is_that_of_the_figure(make_config):
    folder = train.run(make_config(epochs=3, monitor="val_loss"))
    best = load_checkpoint(folder / "best.pth")["best"]
    losses = [float(row[name]) for row in results(folder) for name in ("val_loss", "ema_val_loss") if name in row]
    assert best["val_loss"] == min(losses)
    assert (best["metric"], best["mode"]) == ("val_loss", "min")


@pytest.mark.parametrize("older", [False, True])
def test_pictures_and_tables_mark_the_epoch_of_best_pth_whatever_figure_is_watched_now(make_config, older):
    """older: a run of before there was best.json."""
    config = make_config(epochs=2, monitor="val_loss", use_ema=False)
    folder = train.run(config)
    best = load_checkpoint(folder / "best.pth")["best"]["epoch"]
    assert json.loads((folder / "best.json").read_bytes()) == {"epoch": best, "weights": "raw", "metric": "val_loss"}
    state = load_checkpoint(folder / "last.pth")
    for row in state["history"]:  # by accuracy it is the other one
        row["accuracy"] = float(row["epoch"] != best)
    save_checkpoint(folder / "last.pth", state)
    if older:
        (folder / "best.json").unlink()
    train.run(replace(config, resume=True, load_from=str(folder / "last.pth"), monitor="accuracy"))
    assert load_checkpoint(folder / "best.pth")["best"]["epoch"] == best
    assert scores(folder).get_suptitle() == f"Validation: the best epoch, {best} of 2, is marked"
    assert ranked([folder])[0].cells()[1] == f"{best} of 2"
