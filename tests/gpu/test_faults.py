"""An error on the device in the middle of a run, of which the host learns late: last.pth is that of a good step."""

from dataclasses import replace
from functools import partial

from utils.training import engine
from utils.weights import checkpoint as checkpoints
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch
from torch.nn import functional

import train
from tests.gpu.runs import needs_cuda
from tests.helpers.runs import results
from tests.run.faults.injected import at_call

STEP = 3  # of the four of an epoch
PLACES = {"step": (engine, "train_step"), "save": (checkpoints, "write_checkpoint")}


def target_out_of_range(place, device):
    """Just before step STEP, or its save, a loss is asked for of a class that there is not.

    An assertion of a kernel fails, some time later, and with it whatever the process asks of the GPU from then on.
    """

    def strike():
        functional.cross_entropy(torch.zeros(1, 3, device=device), torch.tensor([10**6], device=device))

    at_call(*PLACES[place], STEP, strike)


@pytest.mark.parametrize("place", PLACES)
def test_after_an_error_of_the_device_the_checkpoint_before_is_good(device, make_config, make_runs, place):
    needs_cuda(device, "tests/run/faults has the rest")
    changes = dict(epochs=2, accumulate_steps=1, save_steps=1)
    config = make_config(**changes)
    runs = make_runs(**changes)
    job = runs.begin_here(fault=partial(target_out_of_range, place, device.type))
    assert job.end() == [1], job.said()
    folder = runs.newest()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]  # no drafts left
    assert load_checkpoint(folder / "last.pth")["step"] == STEP - 1
    assert load_checkpoint(folder / "previous.pth")["step"] == STEP - 2
    train.run(replace(config, resume=True, load_from=str(folder / "last.pth")))
    assert [row["epoch"] for row in results(folder)] == ["1", "2"]
    assert load_checkpoint(folder / "last.pth")["step"] == 8
