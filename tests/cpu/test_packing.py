"""Convolutions packed for prediction: the numbers of torch's own, at any shape, and nothing else replaced."""

from utils.cpu import packing
from utils.cpu.folding import prepare_for_inference
from utils.cpu.packing import PackedConv2d, pack_convolutions
from utils.torch_private import can_reorder_filters

import pytest
import torch
from torch import nn

from models import create_model
from tests.cpu.test_folding import AS_THEY_WERE, FOLDED


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def outcome(model, *inputs):
    with torch.inference_mode():
        return [model(x) for x in inputs]


def packed(model):
    return [module for module in model.modules() if isinstance(module, PackedConv2d)]


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.Identity])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 8, "dilation": 2}, {"bias": False}])
def test_a_layer_answers_as_before_at_one_shape_after_another(activation, options):
    model = nn.Sequential(nn.Conv2d(8, 16, 3, **options), activation(), nn.Conv2d(16, 4, 1)).eval()
    inputs = [8 * images(2, 8, 9, 9), 8 * images(5, 8, 9, 9), 8 * images(2, 8, 20, 12)]
    inputs += [inputs[0].to(memory_format=torch.channels_last), inputs[0]]
    before = outcome(model, *inputs)
    pack_convolutions(model)
    torch.testing.assert_close(outcome(model, *inputs), before, rtol=1e-5, atol=1e-5)
    assert len(packed(model)) == 2
    assert isinstance(model[1], activation if activation is nn.GELU else nn.Identity)


def test_an_activation_used_at_several_places_stays_at_all_others():
    shared = nn.ReLU()
    model = nn.Sequential(shared, nn.Conv2d(3, 3, 1), shared, nn.Hardswish(), nn.Conv2d(3, 3, 1), shared).eval()
    x = 8 * images(1, 3, 8, 8)
    before = outcome(model, x)
    pack_convolutions(model)
    torch.testing.assert_close(outcome(model, x), before)
    assert len(packed(model)) == 2


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3).double(),
    ],
    ids=["same", "reflect", "float64"],
)
def test_what_the_operator_cannot_do_is_left_to_torch(conv):
    model = nn.Sequential(conv)
    pack_convolutions(model)
    assert model[0] is conv


def test_a_torch_without_the_operators_keeps_its_own(monkeypatch):
    monkeypatch.setattr(packing, "can_reorder_filters", lambda: False)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    pack_convolutions(model)
    assert type(model[0]) is nn.Conv2d
    assert type(model[1]) is nn.ReLU


@pytest.mark.parametrize(("prefix", "suffix"), FOLDED + AS_THEY_WERE)
def test_a_prepared_network_of_each_family_has_its_logits(prefix, suffix):
    torch.manual_seed(0)  # initial weights are tame: random norms make float32 alone stray from float64
    model = create_model(prefix, suffix, 7, img_size=64).eval()
    inputs = images(3, 3, 64, 64), images(1, 3, 64, 64)
    before = outcome(model, *inputs)
    after = outcome(prepare_for_inference(model), *inputs)
    assert bool(packed(model)) == can_reorder_filters()
    for seen, wanted in zip(after, before, strict=True):
        torch.testing.assert_close(seen, wanted, rtol=1e-3, atol=1e-3 * wanted.abs().max().item())
