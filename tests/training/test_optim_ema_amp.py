"""Optimizers and their groups, averaged weights, precision: each as the config says."""

import copy
from dataclasses import replace
from pathlib import Path

from utils.config import TrainConfig
from utils.run.resume import restore
from utils.torch_private import InMemoryOrder
from utils.training import ema as ema_module
from utils.training.amp import amp_dtype, make_scaler
from utils.training.ema import ModelEma
from utils.training.groups import parameter_groups
from utils.training.optim import load_optimizer, make_optimizer

import pytest
import torch
from torch import nn

from tests.helpers.checkpoints import new_state, whole_checkpoint

CPU = torch.device("cpu")
CUDA = torch.device("cuda", 0)


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def names_of(model, group):
    return {name for name, p in model.named_parameters() if any(p is other for other in group["params"])}


def test_matrices_and_kernels_decay_and_vectors_do_not():
    model = network()
    decayed, plain = parameter_groups(model, 0.1, 0.05)
    assert names_of(model, decayed) == {"0.weight", "3.weight"}
    assert names_of(model, plain) == {"0.bias", "1.weight", "1.bias", "3.bias"}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)


def test_frozen_parameters_are_in_no_group_and_empty_groups_do_not_exist():
    model = network()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name == "3.weight")
    [group] = parameter_groups(model, 0.1, 0.05)
    assert names_of(model, group) == {"3.weight"}


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (dict(optimizer_type="sgd", nesterov=True), torch.optim.SGD, dict(momentum=0.8, nesterov=True)),
        (dict(optimizer_type="sgd"), torch.optim.SGD, dict(momentum=0.8, nesterov=False)),
        (dict(optimizer_type="adam"), torch.optim.Adam, dict(betas=(0.7, 0.95), eps=1e-5)),
        (dict(optimizer_type="adamw"), torch.optim.AdamW, dict(betas=(0.7, 0.95), eps=1e-5)),
        (dict(optimizer_type="adamw", betas=(0, 0.95)), torch.optim.AdamW, dict(betas=(0.0, 0.95))),
        (dict(optimizer_type="rmsprop"), torch.optim.RMSprop, dict(momentum=0.8, eps=1e-5)),
    ],
)
def test_each_optimizer_takes_its_values_from_the_config(values, kind, expected):
    common = dict(init_lr=0.3, momentum=0.8, betas=(0.7, 0.95), eps=1e-5, weight_decay=0.02)
    config = TrainConfig.plain(**common | values)
    optimizer = make_optimizer(network(), config)
    assert isinstance(optimizer, kind)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.02, 0.0]
    for group in optimizer.param_groups:
        assert group["lr"] == 0.3
        assert {name: group[name] for name in expected} == expected


@pytest.mark.parametrize("optimizer_type", ["sgd", "adam", "adamw"])
def test_steps_on_a_cpu_are_those_of_the_plain_optimizer(optimizer_type):
    config = TrainConfig.plain(optimizer_type=optimizer_type, init_lr=0.01, momentum=0.8, weight_decay=0.02)
    models = [nn.Sequential(nn.Flatten(), nn.Linear(27, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours, plain = (make_optimizer(model, config) for model in models)
    assert ours.param_groups[0]["fused"]
    for group in plain.param_groups:
        group["fused"] = False
    for step in range(5):
        images = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(step))
        for model, optimizer in zip(models, (ours, plain)):
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
    for one, other in zip(*(model.parameters() for model in models)):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("optimizer_type", "plain"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_kernels_in_channels_last_take_the_same_steps_and_are_not_copied(optimizer_type, plain):
    config = TrainConfig.plain(optimizer_type=optimizer_type, init_lr=0.01, weight_decay=0.02)
    ours = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    theirs = copy.deepcopy(ours)
    groups = parameter_groups(theirs, config.init_lr, config.weight_decay)
    optimizers = make_optimizer(ours, config), plain(groups, 0.01, betas=config.betas, eps=config.eps)
    for _ in range(3):
        for one, other in zip(ours.parameters(), theirs.parameters()):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        with torch.profiler.profile() as profile:
            optimizers[0].step()
        assert "aten::clone" not in {event.key for event in profile.key_averages()}
        optimizers[1].step()
    for one, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(one, other)
        state = [optimizer.state[parameter]["exp_avg"] for optimizer, parameter in zip(optimizers, (one, other))]
        assert state[0].shape == one.shape
        torch.testing.assert_close(*state)


def test_a_flag_among_the_lists_is_handed_on():
    """Some versions of torch give amsgrad between the gradients and the averages."""

    class WithFlag:
        def _init_group(self, group, params, grads, amsgrad, exp_avgs):
            for found in (params, grads, exp_avgs):
                found.append(torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last))
            return amsgrad

    class Optimizer(InMemoryOrder, WithFlag):
        pass

    found = [], [], True, []
    assert Optimizer()._init_group({}, *found)
    assert all(tensor.is_contiguous() for tensors in found if tensors is not True for tensor in tensors)


@pytest.mark.parametrize("optimizer_type", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("turn", [1, -1], ids=["to_channels_last", "from_channels_last"])
def test_a_run_goes_on_as_before_in_another_memory_format(optimizer_type, turn):
    formats = (torch.contiguous_format, torch.channels_last)[::turn]
    config = TrainConfig.plain(optimizer_type=optimizer_type, init_lr=0.01, momentum=0.8)
    first, same, other = (nn.Sequential(nn.Conv2d(3, 4, 3)).to(memory_format=formats[0]) for _ in range(3))

    def learn(model, optimizer, seed):
        optimizer.zero_grad()
        model(torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(seed))).square().sum().backward()
        optimizer.step()

    before = make_optimizer(first, config)
    learn(first, before, 0)
    saved = before.state_dict()
    for model, memory_format in ((same, formats[0]), (other, formats[1])):
        model.load_state_dict(first.state_dict())
        optimizer = make_optimizer(model.to(memory_format=memory_format), config)
        load_optimizer(optimizer, copy.deepcopy(saved))
        learn(model, optimizer, 1)
    torch.testing.assert_close(other[0].weight, same[0].weight)


def test_a_resumed_run_has_its_memory_in_the_order_of_its_weights():
    checkpoint = whole_checkpoint(optimizer_type="adamw", channels_last=True)
    config = replace(TrainConfig.plain(**checkpoint["config"]), channels_last=False)
    state, _ = new_state(config)
    restore(checkpoint, state, Path("last.pth"))
    for parameter, values in state.optimizer.state.items():
        assert values["exp_avg"].stride() == parameter.stride()


def number(value):
    """A network of one weight, one running mean and one counter."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor([float(value)]))
    model.register_buffer("running_mean", torch.tensor([10.0 * value]))
    model.register_buffer("num_batches_tracked", torch.tensor(int(value)))
    return model


NOT_SKIPPED = torch.tensor(False)


def test_a_step_that_is_skipped_leaves_the_average_alone():
    ema = ModelEma(number(1), decay=0.5)
    ema.update(number(7), 1, torch.tensor(True))
    assert [value.item() for value in ema.model.state_dict().values()] == [1, 10, 1]


def test_the_average_warms_up_as_the_formula_says():
    ema, expected = ModelEma(number(1), decay=0.25), 1.0
    for step, value in enumerate([2, 5, 3, 8], start=1):
        ema.update(number(value), step, NOT_SKIPPED)
        decay = min(0.25, (1 + step) / (10 + step))  # 2/11, then 3/12 = 0.25, then held
        expected = decay * expected + (1 - decay) * value
        assert ema.model.weight.item() == pytest.approx(expected, rel=1e-6)
        assert ema.model.running_mean.item() == pytest.approx(10 * expected, rel=1e-6)


def test_the_first_update_of_a_slow_average_takes_most_of_the_weights():
    ema = ModelEma(number(0), decay=0.9998)
    ema.update(number(11), 1, NOT_SKIPPED)
    assert ema.model.weight.item() == pytest.approx(9.0)  # 9/11 of the way


def test_the_average_updates_every_so_many_steps():
    ema, values = ModelEma(number(0), decay=0.9998, every=3), []
    for step in range(1, 7):
        ema.update(number(11), step, NOT_SKIPPED)
        values.append(ema.model.weight.item())
    second = 9 * 3 / 12 + 11 * 9 / 12
    assert values == pytest.approx([0, 0, 9, 9, 9, second])


def test_counters_are_copied():
    ema = ModelEma(number(1), decay=0.5)
    ema.update(number(7), 1, NOT_SKIPPED)
    assert ema.model.num_batches_tracked.item() == 7


def test_the_average_has_the_models_keys_and_neither_gradients_nor_training_mode():
    model = network().train()
    ema = ModelEma(model, decay=0.5)
    assert list(ema.model.state_dict()) == list(model.state_dict())
    assert not any(module.training for module in ema.model.modules())
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_an_update_leaves_the_model_alone():
    model = number(3)
    ModelEma(number(1), decay=0.5).update(model, 1, NOT_SKIPPED)
    assert (model.weight.item(), model.running_mean.item()) == (3, 30)


@pytest.mark.parametrize(
    ("use_apex", "name", "expected"),
    [
        (False, "auto", None),
        (False, "float16", None),
        (False, "bfloat16", None),
        (True, "auto", None),
        (True, "bfloat16", torch.bfloat16),
        (True, "float16", torch.float16),
    ],
)
def test_precision_on_a_cpu(use_apex, name, expected):
    assert amp_dtype(CPU, nn.Identity(), use_apex=use_apex, name=name) == expected


@pytest.mark.parametrize(
    ("capability", "name", "expected"),
    [
        ((7, 5), "auto", torch.float16),
        ((8, 0), "auto", torch.bfloat16),
        ((9, 0), "auto", torch.bfloat16),
        ((9, 0), "float16", torch.float16),
        ((7, 5), "bfloat16", torch.bfloat16),
    ],
)
def test_precision_on_a_gpu_of_some_capability(monkeypatch, capability, name, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert amp_dtype(CUDA, nn.Identity(), use_apex=True, name=name) == expected
    assert amp_dtype(CUDA, nn.Identity(), use_apex=False, name=name) is None


@pytest.mark.parametrize(("dtype", "enabled"), [(torch.float16, True), (torch.bfloat16, False), (None, False)])
def test_only_float16_gradients_are_scaled(dtype, enabled):
    scaler = make_scaler(CPU, dtype)
    assert scaler.is_enabled() == enabled
    assert (scaler.scale(torch.ones(1)).item() == 1) != enabled


def test_an_average_on_a_gpu_moves_in_parts_of_bounded_memory(monkeypatch):
    """A part ends where its tensors reach the bound, and the parts are all of them, once."""
    monkeypatch.setattr(ema_module, "PART", 100)
    sizes = [5, 40, 1, 30, 2]  # floats of 4 bytes
    parts = list(ema_module._parts([torch.zeros(size) for size in sizes]))
    assert [(part.start, part.stop) for part in parts] == [(0, 2), (2, 4), (4, 5)]
