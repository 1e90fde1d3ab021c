"""A run that is stopped within an epoch and resumed on the device: bit for bit where operations repeat, else nearly."""

import os
import signal
from dataclasses import replace
from functools import partial

from utils.training import engine
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

import train
from tests.gpu.runs import apart, moved, needs_cuda
from tests.gpu.steps import PRECISIONS
from tests.helpers.runs import assert_same_run, results
from tests.helpers.stopping import stopped_after
from tests.run.faults.injected import at_call


def resumed(config, folder):
    return train.run(replace(config, resume=True, load_from=str(folder / "last.pth")))


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_deterministic_operations_resume_bit_for_bit(device, make_config, monkeypatch, precision):
    """Epochs have two steps: it stops within the second one."""
    if precision != "float32":
        needs_cuda(device, "float32 is enough for a rehearsal")
    changes = dict(model_prefix="regnetx", model_suffix="200mf")  # no pooling whose gradients add up in any order
    config = make_config(**changes, epochs=2, use_benchmark=False, **PRECISIONS[precision])
    whole = train.run(config)
    if device.type == "cuda":
        assert_same_run(whole, train.run(config))  # else a difference below would say nothing of the resume
    part = stopped_after(config, 3, monkeypatch)
    checkpoint = load_checkpoint(part / "last.pth")
    assert (checkpoint["step"], checkpoint["epoch"]) == (3, 1)
    assert bool(checkpoint["scaler"]) == (precision == "float16")
    resumed(config, part)
    assert_same_run(whole, part)


@pytest.mark.usefixtures("deterministic")
def test_recorded_steps_resume_bit_for_bit(device, make_config, monkeypatch):
    """Recorded before the first batch, and again before the first of the run that goes on."""
    needs_cuda(device, "nothing is recorded")
    made, record = [], torch.cuda.make_graphed_callables
    monkeypatch.setattr(
        torch.cuda, "make_graphed_callables", lambda *given, **more: made.append(record(*given, **more))
    )
    changes = dict(model_prefix="regnetx", model_suffix="200mf", epochs=4, batch_size=4, accumulate_steps=1)
    config = make_config(**changes, use_benchmark=False)
    whole = train.run(config)
    part = stopped_after(config, 7, monkeypatch)
    assert load_checkpoint(part / "last.pth")["epoch"] == 1
    resumed(config, part)
    assert_same_run(whole, part)
    assert len(made) == 3


def asked_to_stop_in_step(step):
    """SIGTERM within a step, as a scheduler sends it."""
    at_call(engine, "train_step", step, lambda: os.kill(os.getpid(), signal.SIGTERM))


def test_a_signal_stops_the_command_which_resumes_to_nearly_the_same_end(make_config, make_runs):
    """With the shipped settings, under which operations may add up in another order each time."""
    changes = dict(model_prefix="regnetx", model_suffix="200mf")  # which blows no rounding up
    changes |= dict(epochs=3)
    config = make_config(**changes)
    runs = make_runs(**changes)
    whole = train.run(config)
    job = runs.begin_here(fault=partial(asked_to_stop_in_step, 3))
    assert job.end() == [128 + signal.SIGTERM], job.said()
    part = runs.newest()
    assert part != whole
    assert load_checkpoint(part / "last.pth")["step"] == 3
    job = runs.start("--resume", str(part))
    assert job.end() == [0], job.said()
    assert [row["epoch"] for row in results(part)] == ["1", "2", "3"]
    # bfloat16 blurs a gradient of this network by .03; without the optimizer's momentum it would be .4
    assert apart(moved(part, config), moved(whole, config)) <= 0.2
    for row, other in zip(results(part), results(whole)):
        assert float(row["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=0.02)
