"""`--set epochs=1` beside what nobody set: a warm-up, falls and other keys of the run's length are fitted, and said."""

import re
import sys
from dataclasses import replace

from utils.config import ConfigError, TrainConfig, load_train_config, run_config_from
from utils.config.keys import TITLE_OF_A_RUN
from utils.config.rules import train_problems
from utils.config.schema import render
from utils.recipe.length import falls_of
from utils.recipe.resolve import resolve
from utils.report import pictures
from utils.run.resume import as_found
from utils.run.time_limit import with_epochs
from utils.training.schedulers import SCHEDULES, learning_rate

import pytest

import train
from tests.helpers import ROOT
from tests.helpers.runs import plain_config
from tests.recipe import golden

LONG = dict(epochs=30, warmup_epochs=5, mix_off_epochs=9, mixup_prob=0.1, freeze_epochs=3)
REFUSED = r"warmup_epochs: \S+ leaves nothing of epochs = 1; 'auto' fits, 0 means none"


@pytest.mark.parametrize("scheduler", SCHEDULES)
@pytest.mark.parametrize("epochs", [1, 2, 3, 12, 100])
def test_every_schedule_fits_every_length(tmp_path, scheduler, epochs):
    config = TrainConfig(img_path=str(tmp_path), scheduler_type=scheduler, epochs=epochs)
    found, rows = resolve(config, golden.facts())
    assert found.warmup_epochs == epochs / 10
    if scheduler == "step_lr":
        rates = [learning_rate(found, epoch, 1) for epoch in range(int(found.warmup_epochs) + 1, epochs)]
        assert len(set(rates)) == len(found.steps) + bool(rates)  # each fall is within the run
        why = {row.key: row.why for row in rows}["steps"]
        assert ("too short" in why) is (epochs < 3) is (not found.steps)


def test_falls_are_spread_over_what_follows_the_warm_up():
    assert falls_of(100, 0) == (30, 60, 90)
    assert falls_of(12, 1.2) == (3, 6, 9)
    assert falls_of(2, 1) == ()


@pytest.mark.parametrize("text", ["", "configurations = {'cfg': dict(scheduler_type='step_lr')}"])
def test_a_file_that_lacks_the_key_takes_one_epoch_and_one_that_has_it_is_refused(tmp_path, text):
    (tmp_path / "config.py").write_text(text)
    config = load_train_config(tmp_path / "config.py", {"epochs": 1})
    assert (config.epochs, config.warmup_epochs, config.steps) == (1, "auto", "auto")
    (tmp_path / "config.py").write_text("warmup_epochs = 5\n")
    with pytest.raises(ConfigError, match=REFUSED):
        load_train_config(tmp_path / "config.py", {"epochs": 1})


def test_the_config_of_a_run_is_fitted_to_other_epochs(tmp_path):
    saved = TrainConfig.plain(**LONG, scheduler_type="step_lr", steps=(10, 20), img_path=str(tmp_path))
    path = tmp_path / "train_config.py"
    path.write_text(render(saved, TITLE_OF_A_RUN))
    short = load_train_config(path, {"epochs": 1})
    fitted = ("warmup_epochs", "steps", "mix_off_epochs", "freeze_epochs")
    assert {name for name, value in vars(short).items() if value == "auto" != getattr(saved, name)} == set(fitted)
    resolve(short, golden.facts())
    assert load_train_config(path, {"epochs": 20}) == replace(saved, epochs=20)
    with pytest.raises(ConfigError, match=REFUSED):
        load_train_config(path, {"epochs": 1, "warmup_epochs": 3})
    (tmp_path / "mine.py").write_text(render(saved, "A config of my own."))
    with pytest.raises(ConfigError, match=REFUSED):
        load_train_config(tmp_path / "mine.py", {"epochs": 1})


@pytest.mark.parametrize("scheduler", SCHEDULES)
def test_a_run_that_is_resumed_for_fewer_epochs_is_fitted_and_it_is_said(tmp_path, caplog, scheduler):
    saved = vars(TrainConfig.plain(**LONG, scheduler_type=scheduler, steps=(10, 20), img_path=str(tmp_path)))
    config = as_found(run_config_from(saved, "the run", {"epochs": 4}), saved)
    assert (config.warmup_epochs, config.mix_off_epochs, config.freeze_epochs) == (0.4, 3, 3)
    assert config.steps == ((1, 2) if scheduler == "step_lr" else (10, 20))
    assert train_problems(vars(config)) == []
    said = [record.getMessage() for record in caplog.records]
    assert "warmup_epochs: 0.4 instead of 5, as epochs = 4 now" in said
    assert len(said) == (3 if scheduler == "step_lr" else 2)
    more = as_found(run_config_from(saved, "the run", {"epochs": 40}), saved)
    assert more == replace(TrainConfig.plain(**saved | {"epochs": 40}))


def test_the_clock_may_shorten_a_run_that_never_falls():
    config = plain_config(epochs=3, warmup_epochs=1, scheduler_type="step_lr", steps=[1])
    assert with_epochs(replace(config, epochs=2, steps=()), 1).epochs == 1


def test_the_shipped_config_takes_one_epoch_and_so_does_the_run_that_it_began(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "draw_run", lambda *arguments: [])
    small = {"model_prefix": "shufflenetv2", "model_suffix": "0.5", "batch_size": 8, "num_workers": 0, "device": "cpu"}
    places = {"img_path": str(data), "log_root": str(tmp_path / "logs")}
    first = train.run(load_train_config(ROOT / "train_config.py", {**small, **places, "epochs": 1}))
    assert re.search(r"warmup_epochs +0\.1  a tenth of the run", (first / "train.log").read_text(encoding="utf-8"))
    monkeypatch.setattr(sys, "argv", ["train.py", "--resume", str(first), "--set", "epochs=2"])
    assert train.main() == 0
