"""Gradients that overflow float16: the step changes nothing but the scale, in every family, with every optimizer."""

import copy

from utils.training.engine import train_step
from utils.training.optim import OPTIMIZERS

import pytest
import torch

from tests.gpu.families import NETWORKS, REHEARSED
from tests.gpu.runs import needs_cuda
from tests.gpu.steps import batch, begin, good_step, settings
from tests.helpers.steps import mean_losses, same

TOO_LARGE = 2.0**100  # a scale that no gradient of float16 bears


def set_scale(state, scale):
    state.scaler.load_state_dict({**state.scaler.state_dict(), "scale": scale})


def kept(state):
    """A copy of all that a skipped step must leave as it is: network, average, what the optimizer remembers.

    A count of steps that lies on the host beside weights on a GPU, RMSprop's, enters no update.
    """
    device = next(state.model.parameters()).device
    remembered = [
        {name: value for name, value in values.items() if value.device == device}
        for values in state.optimizer.state.values()
    ]
    return copy.deepcopy((state.model.state_dict(), state.ema.model.state_dict(), remembered))


@pytest.mark.parametrize("prefix", NETWORKS)
def test_an_overflow_changes_nothing_but_the_scale(device, prefix):
    if prefix not in REHEARSED:
        needs_cuda(device, "takes too long for a rehearsal")
    state, recipe = begin(settings(prefix, NETWORKS[prefix], "float16"), device)
    if prefix == "addernet":
        assert not state.scaler.is_enabled()  # its gradients do not grow with the loss
        return
    good_step(state, recipe)
    set_scale(state, TOO_LARGE)
    before, steps = kept(state), state.step
    result = train_step(state, state.model, [batch(seed=1)], recipe, None)
    assert torch.isfinite(mean_losses(result)).all()
    assert (result.skip.item(), result.bad_losses.item(), state.step) == (True, 0, steps + 1)
    assert same(kept(state), before)
    assert state.scaler.get_scale() == TOO_LARGE / 2
    set_scale(state, 1.0)
    assert not train_step(state, state.model, [batch(seed=1)], recipe, None).skip
    assert not any(same(now, then) for now, then in zip(kept(state), before))


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_first_step_that_overflows_leaves_no_trace(device, optimizer):
    """The next one ends bit for bit where it would without; the average apart, whose share counts the steps tried."""
    changes = dict(optimizer_type=optimizer, scheduler_type="step_lr", steps=(1,))  # an even rate within an epoch
    ends = []
    for overflows in (True, False):
        state, recipe = begin(settings("regnetx", NETWORKS["regnetx"], "float16", **changes), device)
        if overflows:
            set_scale(state, TOO_LARGE)
            assert train_step(state, state.model, [batch(seed=1)], recipe, None).skip
        set_scale(state, 64.0)
        assert not train_step(state, state.model, [batch()], recipe, None).skip
        ends.append(kept(state))
    (network, _, remembered), (expected, _, expected_remembered) = ends
    assert same(network, expected)
    assert same(remembered, expected_remembered)
