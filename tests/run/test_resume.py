"""Runs that are stopped and resumed end as those that were not; what a resume refuses."""

from utils.errors import WeightsError
from utils.signals import Stopped
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
