"""Convolutions whose filters' gradient is a matrix product: the gradients of torch's own, and the same layers."""

import copy
import itertools

from utils.config import TrainConfig
from utils.cpu import small_maps
from utils.cpu.small_maps import SmallMapConv2d, seen_taps, speed_up_small_maps

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models import create_model
from tests.helpers.checkpoints import new_state


def numbers(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def gradients(model, x, *, channels_last=False):
    """(outcome, gradient of the input, gradients of the parameters) of a loss that weighs each place differently."""
    x = x.clone(memory_format=torch.channels_last if channels_last else torch.contiguous_format).requires_grad_()
    model.zero_grad()
    y = model(x)
    (y * numbers(*y.shape, dtype=y.dtype)).sum().backward()
    return y.detach(), x.grad, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 7), (9, 9)])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 2, "stride": 2},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 5, "padding": 2, "stride": 2},
        {"kernel_size": (1, 3), "padding": (0, 1), "stride": (2, 1)},
        {"kernel_size": 3, "padding": 1, "bias": False},
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_equal_those_of_torch(size, options, channels_last, monkeypatch):
    monkeypatch.setattr(small_maps, "PART_NUMBERS", 300)  # so that some batches are laid out in parts
    theirs = nn.Conv2d(3, 5, **options).double()
    if channels_last:
        theirs.to(memory_format=torch.channels_last)
    ours = SmallMapConv2d.of(copy.deepcopy(theirs))
    x = numbers(4, 3, *size)
    wanted = gradients(theirs, x, channels_last=channels_last)
    seen = gradients(ours, x, channels_last=channels_last)
    torch.testing.assert_close(seen, wanted, rtol=1e-10, atol=1e-10)
    for gradient, parameter in zip(seen[2], ours.parameters()):  # fused optimizers rely on the order in memory
        assert gradient.stride() == parameter.stride() or gradient.shape[2:] == (1, 1)


def calls_of_product(monkeypatch):
    calls, product = [], small_maps.filter_gradient
    monkeypatch.setattr(small_maps, "filter_gradient", lambda *given: calls.append(given) or product(*given))
    return calls


@pytest.mark.parametrize(("size", "times"), [(7, 1), (8, 0)])
def test_only_small_maps_take_the_product(size, times, monkeypatch):
    calls = calls_of_product(monkeypatch)
    gradients(SmallMapConv2d(2, 2, 3, padding=1), numbers(2, 2, size, size, dtype=torch.float32))
    assert len(calls) == times


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
def test_taps_that_are_left_out_see_nothing_but_padding(kernel, stride):
    for size, padding in itertools.product(range(1, 9), range(5)):
        if size + 2 * padding < kernel:
            continue
        taps, needed = seen_taps(size, kernel, stride, padding)
        pixels = torch.eye(size)[:, None]  # (N, 1, size)
        filters = torch.eye(kernel)[:, None]  # (taps, 1, kernel)
        whole = F.conv1d(pixels, filters, stride=stride, padding=padding)
        left = F.conv1d(pixels, filters[..., taps], stride=stride, padding=needed)
        assert torch.equal(left, whole)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "seen"),
    [(1, 3, 1, 1, (1, 2)), (2, 3, 2, 1, (1, 3)), (2, 3, 1, 1, (0, 3)), (2, 5, 1, 2, (1, 4)), (7, 3, 1, 1, (0, 3))],
)
def test_no_other_taps_are_summed(size, kernel, stride, padding, seen):
    taps, _ = seen_taps(size, kernel, stride, padding)
    assert (taps.start, taps.stop) == seen


def test_autocast_is_left_to_torch(monkeypatch):
    calls = calls_of_product(monkeypatch)
    layer = SmallMapConv2d(2, 2, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.randn(2, 2, 4, 4))
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16
    assert not calls
    assert layer.weight.grad.dtype == torch.float32


def test_a_frozen_layer_hands_on_the_gradient_of_its_input():
    layer = SmallMapConv2d(2, 3, 3, padding=1).requires_grad_(False)
    x = numbers(1, 2, 4, 4, dtype=torch.float32).requires_grad_()
    layer(x).sum().backward()
    wanted = torch.autograd.grad(F.conv2d(x, layer.weight, layer.bias, padding=1).sum(), x)[0]
    torch.testing.assert_close(x.grad, wanted)


def test_layers_of_other_kinds_stay_and_keys_too():
    kept = nn.ModuleList([nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, dilation=2), nn.Linear(4, 4)])
    kept += [nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")]
    model = nn.Sequential(kept, nn.Sequential(nn.Conv2d(4, 4, 3, bias=False))).eval()
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    assert speed_up_small_maps(model) is model
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == before
    assert not any(isinstance(layer, SmallMapConv2d) for layer in kept)
    assert isinstance(model[1][0], SmallMapConv2d)
    assert not model[1][0].training


@pytest.mark.parametrize(("prefix", "suffix"), [("resnet", "18"), ("ghostnet", "0.5"), ("squeezenet", "1.1")])
def test_a_network_learns_as_before(prefix, suffix):
    torch.manual_seed(0)
    theirs = create_model(prefix, suffix, 5, img_size=32).double().eval()  # without dropout
    ours = speed_up_small_maps(copy.deepcopy(theirs))
    assert any(isinstance(layer, SmallMapConv2d) for layer in ours.modules())
    x = numbers(2, 3, 32, 32)
    for seen, wanted in zip(gradients(ours, x)[2], gradients(theirs, x)[2], strict=True):
        torch.testing.assert_close(seen, wanted, rtol=1e-8, atol=1e-9 * wanted.abs().max().item())


def test_a_run_on_a_cpu_trains_with_such_layers():
    state, _ = new_state(TrainConfig.plain(model_prefix="resnet", model_suffix="18", img_size=(32, 32)))
    assert isinstance(state.model.conv1, SmallMapConv2d)
