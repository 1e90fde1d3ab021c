"""A training step of every family on the device, in each precision, against float32 on a CPU; it waits for nothing."""

from dataclasses import dataclass
from functools import lru_cache

from utils.training.engine import train_step

import pytest
import torch
from torch import Tensor

from models import adder_ops, family_of, list_models
from tests.gpu.families import DAMPED, HEAD, NETWORKS, REHEARSED, distance_tolerance, least_cosine, loss_tolerance
from tests.gpu.runs import apart, cosine, needs_cuda, vector
from tests.gpu.steps import PRECISIONS, batch, begin, good_step, no_waiting, settings, without_dropout
from tests.helpers.initialisation import damp
from tests.helpers.steps import mean_losses

CPU = torch.device("cpu")
EVERY = [pytest.param(prefix, precision, id=f"{prefix}-{precision}") for prefix in NETWORKS for precision in PRECISIONS]


@dataclass(frozen=True)
class Outcome:
    """What a step did, as vectors on its device."""

    loss: float
    gradients: Tensor  # of all parameters
    head: Tensor  # of those of the head
    change: Tensor  # of the weights
    buffers: Tensor  # running statistics
    averaged: Tensor  # the change of the average of the weights


def step_of(state, recipe):
    before, network = floats(state.model), state.model
    result = good_step(state, recipe)
    family = family_of(network)
    named = list(network.named_parameters())
    return Outcome(
        mean_losses(result).item(),
        vector(parameter.grad for _, parameter in named),
        vector(parameter.grad for name, parameter in named if family.in_head(name)),
        floats(network) - before,
        statistics(network),
        floats(state.ema.model) - before,
    )


def floats(model):
    return vector(model.parameters())


def statistics(model):
    """Running means and variances; a single 1 for a network without."""
    found = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    return vector(found or [torch.ones(1)])


@lru_cache(maxsize=1)
def on_cpu(prefix):
    return step_of(*fresh(prefix, "float32", CPU, channels_last=False))


def fresh(prefix, precision, device, **changes):
    """(TrainState, Recipe) with the same weights on every device, whose generators would drop other places."""
    config = settings(prefix, NETWORKS[prefix], precision, **changes)
    return begin(config, device, without_dropout, *([damp] if prefix in DAMPED else []))


@pytest.fixture(autouse=True)
def adders_uncompiled(monkeypatch):
    """test_adders.py has the compiled ones; here their compilation would take most of the time."""
    for name in ("WORTHWHILE", "OFTEN"):
        monkeypatch.setattr(adder_ops, name, 2**62)


def test_no_family_is_left_out():
    assert set(NETWORKS.items()) <= set(list_models())
    assert set(NETWORKS) == {prefix for prefix, _ in list_models()}


@pytest.mark.parametrize(("prefix", "precision"), EVERY)
def test_a_step_is_that_of_a_cpu(device, prefix, precision):
    if prefix not in REHEARSED:
        needs_cuda(device, "takes too long for a rehearsal")
    expected = on_cpu(prefix)
    state, recipe = fresh(prefix, precision, device)
    found, dtype = step_of(state, recipe), recipe.amp_dtype or torch.float32
    assert dtype == (torch.float32 if (prefix, precision) == ("addernet", "float16") else getattr(torch, precision))
    assert abs(found.loss - expected.loss) <= loss_tolerance(prefix, dtype) * abs(expected.loss)
    assert cosine(found.head, expected.head) >= HEAD[dtype]
    assert cosine(found.gradients, expected.gradients) >= least_cosine(prefix, dtype)
    if dtype == torch.float32 and prefix != "addernet":
        tolerance = distance_tolerance(prefix)
        for name in ("gradients", "change", "averaged"):
            assert apart(getattr(found, name), getattr(expected, name)) <= tolerance, name
        assert apart(found.buffers, expected.buffers) <= 1e-3  # of the way forward, where a kink changes little
    with no_waiting(device):
        train_step(state, state.model, [batch(seed=1)], recipe, None)
