"""Which batches go through what was made for their shape, and that everything else stays the network's."""

from dataclasses import replace

from utils.config import TrainConfig
from utils.training import fixed_shape
from utils.training.engine import train_step
from utils.training.fixed_shape import FixedShape, for_evaluation, for_training

import pytest
import torch
from torch import nn

import train
from tests.helpers.steps import batch, linear, make_state, recipe, same

FULL, LAST = torch.zeros(4, 3, 6, 6), torch.zeros(2, 3, 6, 6)


class Made:
    """A `prepare` that notes what goes through what it makes."""

    def __init__(self, *, possible=True):
        self.possible, self.made, self.calls = possible, 0, []

    def __call__(self, network, images):
        self.made += 1

        def call(images):
            self.calls.append(len(images))
            return network(images)

        return call if self.possible else None


def test_full_batches_take_the_fast_way_once_it_is_made_and_others_never():
    made, network = Made(), linear()
    fixed = FixedShape(network, (4, 3, 6, 6), made, before=2)
    outputs = [fixed(images) for images in (FULL, LAST, FULL, FULL, LAST, FULL)]
    assert (made.made, made.calls) == (1, [4, 4])  # the first two full batches go before it
    assert all(torch.equal(out, network(images)) for out, images in zip(outputs[-2:], (LAST, FULL)))


def test_where_nothing_can_be_made_it_is_tried_once():
    made = Made(possible=False)
    fixed = FixedShape(linear(), (4, 3, 6, 6), made)
    assert [len(fixed(FULL)) for _ in range(3)] == [4, 4, 4]
    assert (made.made, made.calls) == (1, [])


def test_parameters_and_modes_are_the_networks():
    network = nn.Sequential(linear(), nn.Dropout())
    fixed = FixedShape(network, (4, 3, 6, 6), lambda network, images: nn.Sequential(network, nn.Linear(3, 3)))
    fixed(FULL)
    assert list(map(id, fixed.parameters())) == list(map(id, network.parameters()))
    assert not fixed.eval().network[1].training
    assert fixed.train().network[1].training
    assert fixed.no_sync is None


def test_steps_through_it_are_the_same_steps():
    states = []
    for wrapped in (False, True):
        state = make_state(linear())
        network = FixedShape(state.model, (4, 3, 6, 6), Made()) if wrapped else state.model
        for number in (4, 4, 2):
            train_step(state, network, [batch(number)], recipe(), None)
        states.append(state)
    assert same(states[0].model.state_dict(), states[1].model.state_dict())


def test_on_a_cpu_a_network_stays_as_it_is_unless_it_is_compiled():
    config, network = TrainConfig(batch_size=4, img_size=(6, 6)), linear()
    assert for_training(network, config, recipe()) is network
    assert for_evaluation(network, config) is network
    compiled = replace(config, compile="reduce-overhead")
    assert for_training(network, compiled, recipe()).shape == for_evaluation(network, compiled).shape == (4, 3, 6, 6)


@pytest.mark.parametrize(("chosen", "mode"), [(True, "default"), ("reduce-overhead", "reduce-overhead")])
def test_a_run_compiles_training_evaluation_and_average_for_full_batches(make_config, monkeypatch, chosen, mode):
    calls = []

    def compiled(network, **options):
        assert options == {"mode": mode, "dynamic": False}

        def call(images):
            calls.append((id(network), network.training, len(images)))
            return network(images)

        return call

    monkeypatch.setattr(fixed_shape.torch, "compile", compiled)
    train.run(make_config(compile=chosen, epochs=1, warmup_epochs=0, mix_off_epochs=0))
    assert {size for _, _, size in calls} == {4}  # of 21 and 9 images, the last batches are smaller
    assert len({(network, training) for network, training, _ in calls}) == 3
    assert sum(training for _, training, _ in calls) == 4  # the fifth gives an image to the last, which had one
