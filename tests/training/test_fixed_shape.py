"""Which batches go through what was made for their shape, and that everything else stays the network's."""

import copy
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

from utils.config import TrainConfig
from utils.training import fixed_shape
from utils.training.engine import train_step
from utils.training.fixed_shape import FixedShape, for_evaluation, for_training, recorded, rounded

import pytest
import torch
from torch import nn

import train
from models import create_model
from tests.helpers.steps import batch, linear, make_state, recipe, same

FULL = torch.zeros(4, 3, 6, 6)
LAST = torch.zeros(2, 3, 6, 6)


def noting(network, calls):
    """What calls `network` and notes the number of images."""

    def fast(images):
        calls.append(len(images))
        return network(images)

    return fast


def test_full_batches_take_the_fast_way_and_others_do_not():
    network, calls = linear(), []
    fixed = FixedShape(network, (4, 3, 6, 6), noting(network, calls))
    outputs = [fixed(images) for images in (FULL, LAST, FULL)]
    assert calls == [4, 4]
    assert all(torch.equal(out, network(images)) for out, images in zip(outputs, (FULL, LAST, FULL)))


def test_parameters_and_modes_are_the_networks():
    network = nn.Sequential(linear(), nn.Dropout())
    fixed = FixedShape(network, (4, 3, 6, 6), nn.Sequential(network, nn.Linear(3, 3)))
    assert list(map(id, fixed.parameters())) == list(map(id, network.parameters()))
    assert not fixed.eval().network[1].training
    assert fixed.train().network[1].training
    assert fixed.no_sync is None


def in_half_precision(network, size=6):
    """The dtype of what a recording of it would be handed."""
    images = torch.rand(2, 3, size, size)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        return rounded(network, images, torch.bfloat16).dtype


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ([nn.Conv2d(3, 3, 1), nn.Dropout(0.5)], torch.bfloat16),
        ([nn.BatchNorm2d(3)], torch.float32),
        ([nn.Dropout(0.4)], torch.float32),
    ],
)
def test_images_are_kept_in_half_precision_where_the_first_layer_rounds_them(first, expected):
    network = nn.Sequential(*first, nn.Flatten(), nn.Linear(108, 3))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    torch.rand(2, 3, 6, 6)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    assert in_half_precision(network) == expected
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("names", [("squeezenet", "1.1"), ("regnetx", "200mf")], ids=" ".join)
def test_images_of_a_network_are_kept_in_half_precision(names):
    assert in_half_precision(create_model(*names, 10).train(), 64) == torch.bfloat16


def test_steps_through_it_are_the_same_steps():
    states = []
    for wrapped in (False, True):
        state = make_state(linear())
        network = FixedShape(state.model, (4, 3, 6, 6), noting(state.model, [])) if wrapped else state.model
        for number in (4, 4, 2):
            train_step(state, network, [batch(number)], recipe(), None)
        states.append(state)
    assert same(states[0].model.state_dict(), states[1].model.state_dict())


def test_on_a_cpu_a_network_stays_as_it_is_unless_it_is_compiled():
    config = TrainConfig.plain(batch_size=4, img_size=(6, 6))
    network = linear()
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
    train.run(make_config(compile=chosen, epochs=1, warmup_epochs=0, mix_off_epochs=0, accumulate_steps=1))
    assert {size for _, _, size in calls} == {4}  # of 21 and 9 images, the last batches are smaller
    assert len({(network, training) for network, training, _ in calls}) == 3
    assert sum(training for _, training, _ in calls) == 4  # the fifth gives an image to the last, which had one


class Gpu:
    """Stands in for torch.cuda: graphs are recorded by running three times, and the memory is what a test says."""

    def __init__(self, monkeypatch, *, taken=1, free=8, total=8, fails=False):
        self.fails, self.streams, self.generators, self.replayed = fails, [], [], []
        functions = dict(
            reset_peak_memory_stats=lambda device: None,
            max_memory_allocated=lambda device: taken,
            mem_get_info=lambda device: (free, total),
            empty_cache=lambda: None,
            device=nullcontext,
            get_rng_state=lambda device: torch.get_rng_state(),
            set_rng_state=lambda state, device: torch.set_rng_state(state),
            current_stream=lambda device: "stream",
            set_stream=self.streams.append,
            make_graphed_callables=self.record,
            graph_pool_handle=lambda: "pool",
            synchronize=lambda device: None,
            default_generators=[SimpleNamespace(graphsafe_set_state=self.generators.append)],
        )
        for name, function in functions.items():
            monkeypatch.setattr(torch.cuda, name, function)
        self.ended: list[str] = []
        monkeypatch.setattr(fixed_shape, "end_broken_recording", lambda device, pool: self.ended.append(pool))
        fresh = SimpleNamespace(graphsafe_get_state=lambda: "fresh")  # which the generator of a CPU has not
        monkeypatch.setattr(torch, "Generator", lambda device: fresh)

    def record(self, call, images, *, allow_unused_input, pool):
        for _ in range(3):
            torch.autograd.grad(call(*images).sum(), list(call.parameters()))
        call.forward = lambda images: self.replayed.append(len(images)) or call.network(images)
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")


def random_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), nn.Flatten(), nn.Linear(108, 3)).eval()


def test_a_recording_leaves_no_trace_in_network_and_generator(monkeypatch):
    gpu = Gpu(monkeypatch)
    network = random_network()
    before = copy.deepcopy(network.state_dict())
    numbers = torch.get_rng_state()
    fast = recorded(network, (4, 3, 6, 6), recipe())
    assert torch.equal(fast(FULL), network(FULL))
    assert gpu.replayed == []  # of an evaluation, in which a graph of training would be wrong
    assert same(network.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert not any(module.training for module in network.modules())
    network.train()
    fast(FULL)
    assert gpu.replayed == [4]
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("changes", "recordings"),
    [
        (dict(), 1),
        (dict(compile="default"), 1),
        (dict(compile="reduce-overhead"), 0),  # which records by itself
        (dict(compile=True, cuda_graphs="none"), 0),
        (dict(compile="default", accumulate_steps=2), 0),
    ],
    ids=str,
)
def test_what_is_recorded_of_a_compiled_network_is_its_compiled_steps(monkeypatch, changes, recordings):
    gpu, calls = Gpu(monkeypatch), []
    network = random_network().train()
    monkeypatch.setattr(fixed_shape.torch, "compile", lambda network, **_: noting(network, calls))
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    config = TrainConfig.plain(batch_size=4, img_size=(6, 6), **changes)
    here = recipe(accumulate=config.accumulate_steps)
    monkeypatch.setattr(fixed_shape, "recorded", lambda network, shape, _, fast: recorded(network, shape, here, fast))
    fast = for_training(network, config, replace(here, device=torch.device("cuda")))
    compiled = 1 if config.compile else 0
    assert len(calls) == 3 * recordings * compiled  # nothing but what is recorded: all else would be compiled twice
    fast(FULL)
    assert len(gpu.replayed) == recordings
    fast(LAST)
    assert 2 not in gpu.replayed + calls
    network.eval()
    fast(FULL)  # as it is without a recording
    assert len(calls) == (3 * recordings + 2 - recordings) * compiled
    assert len(gpu.replayed) == recordings


@pytest.mark.parametrize("memory", [dict(taken=3, free=8, total=8), dict(taken=2, free=1, total=80)])
def test_steps_that_leave_too_little_memory_are_not_recorded(monkeypatch, memory):
    Gpu(monkeypatch, **memory)
    assert recorded(random_network(), (4, 3, 6, 6), recipe()) is None


def test_a_recording_that_breaks_off_is_reported_and_what_it_leaves_is_put_right(monkeypatch):
    gpu = Gpu(monkeypatch, fails=True)
    network = random_network()
    before = copy.deepcopy(network.state_dict())
    with pytest.warns(UserWarning, match="not recorded as CUDA graphs, which are faster: operation not permitted"):
        assert recorded(network, (4, 3, 6, 6), recipe()) is None
    assert gpu.streams == ["stream"]
    assert gpu.generators == ["fresh"]
    assert gpu.ended == ["pool"]
    assert same(network.state_dict(), before)
