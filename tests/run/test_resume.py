"""Runs that are stopped and resumed end as those that were not; what a resume refuses."""

from dataclasses import replace

from utils.errors import WeightsError
from utils.signals import Stopped
from utils.training.schedulers import learning_rate
from utils.weights.checkpoint import load_checkpoint

import pytest

import train
from tests.helpers.runs import assert_same_run, results
from tests.helpers.stopping import resumed, stop_at, stopped_after


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_resume_at_an_epochs_end_equals_an_uninterrupted_run(make_config, monkeypatch, workers):
    config = make_config(num_workers=workers)
    whole = train.run(config)
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(Stopped):
            train.run(config)
    part = whole.parent / "exp1"
    assert len(results(part)) == 2
    assert resumed(config, part) == part
    assert_same_run(whole, part)
    assert not (whole.parent / "exp2").exists()


@pytest.mark.parametrize("step", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 5))])
def test_resume_within_an_epoch_equals_an_uninterrupted_run(make_config, monkeypatch, step):
    config = make_config()
    whole = train.run(config)
    part = stopped_after(config, step, monkeypatch)
    assert load_checkpoint(part / "last.pth")["step"] == step
    resumed(config, part)
    assert_same_run(whole, part)


def test_resume_refuses_another_batch_size_or_network(make_config):
    config = make_config(epochs=2)
    folder = train.run(config)
    for change in ({"batch_size": 3}, {"model_suffix": "1.0"}, {"seed": 5}):
        with pytest.raises(WeightsError, match=next(iter(change))):
            resumed(config, folder, epochs=3, **change)


def test_more_epochs_extend_a_finished_run(make_config):
    config = make_config(epochs=2)
    folder = train.run(config)
    resumed(config, folder, epochs=3)
    assert [row["epoch"] for row in results(folder)] == ["1", "2", "3"]
    assert load_checkpoint(folder / "last.pth")["epoch"] == 3


@pytest.mark.parametrize(
    "changes",
    [{"init_lr": 0.05}, {"warmup_epochs": 3}, {"scheduler_type": "step_lr", "steps": (4,)}],
)
def test_the_rate_that_other_epochs_come_instead_of_is_the_one_the_run_had(make_config, monkeypatch, changes):
    config = make_config(epochs=2, warmup_epochs=0)
    folder = stopped_after(config, 4, monkeypatch)
    now = replace(config, epochs=5, **changes)
    resumed(now, folder)
    old, new = (f"{learning_rate(c, 4, 3):.3g}" for c in (config, now))
    said = "scheduler_type was cosine_lr, is step_lr" if "scheduler_type" in changes else "the cosine is drawn anew"
    log = (folder / "train.log").read_text()
    assert f"from 2 to 5; {said}: the learning rate goes on at {new} instead of {old}" in log


def test_falls_that_no_key_has_changed_go_on_as_they_were(make_config):
    config = make_config(epochs=2, warmup_epochs=0, scheduler_type="step_lr", steps=(1,))
    folder = train.run(config)
    resumed(config, folder, epochs=3)
    resumed(config, folder, epochs=4, lr_gamma=0.5)
    log = (folder / "train.log").read_text()
    assert "extended from 2 to 3; step_lr goes on as it was" in log
    assert "extended from 3 to 4: the learning rate goes on at 0.005 instead of 0.001\n" in log
