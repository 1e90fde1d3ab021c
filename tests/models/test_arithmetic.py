"""Counts of arithmetic against published ones and against real networks, layer by layer."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models import create_model
from models.arithmetic import Arithmetic, CountArithmetic, count

# timm, results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv: side, multiply-adds in 10^9, activations in 10^6
OF_TIMM = {
    ("resnet", "50"): (224, 4.11, 11.11),
    ("resnext", "50-32x4d"): (224, 4.26, 14.4),
    ("densenet", "121"): (224, 2.87, 6.9),
    ("vgg", "16"): (224, 15.47, 13.56),
    ("regnetx", "1.6gf"): (224, 1.62, 7.93),
    ("regnety", "12gf"): (224, 12.14, 21.38),
    ("ghostnet", "1.3"): (224, 0.24, 4.6),
    ("mobilenetv2", "1.0"): (224, 0.31, 6.68),
    ("efficientnetv1", "b2"): (260, 1.02, 13.83),
    ("se-resnet", "101"): (224, 7.61, 15.74),
    ("vovnet", "57"): (224, 8.95, 7.52),
    ("resmlp-mixer", "36"): (224, 8.91, 16.33),
    ("vit", "base-patch32"): (224, 4.41, 5.01),
    ("swint", "tiny-224"): (224, 4.51, 17.06),
    ("swint", "small-224"): (224, 8.77, 27.47),
    ("convnext", "tiny"): (288, 7.39, 22.21),
}


@pytest.mark.parametrize(("prefix", "suffix"), OF_TIMM)
def test_multiply_adds_and_activations_are_those_of_timm(prefix, suffix):
    side, multiply_adds, activations = OF_TIMM[prefix, suffix]
    counted = count(prefix, suffix, 1000, (side, side)).arithmetic
    assert counted.activations / 1e6 == pytest.approx(activations, abs=0.006)  # to the last digit given
    assert counted.multiply_adds / 1e9 == pytest.approx(multiply_adds, rel=0.015, abs=0.03)  # theirs count some norms


@pytest.mark.parametrize("names", ["resnext 50-32x4d", "mobilenetv2 1.0", "vit base-patch32", "swint tiny-224"])
def test_multiply_adds_are_those_of_the_flop_counter_of_torch(names):
    prefix, suffix = names.split()
    with torch.device("meta"):
        network = create_model(prefix, suffix, 10, img_size=(224, 224)).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as theirs:
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert count(prefix, suffix, 10, (224, 224)).arithmetic.multiply_adds * 2 == theirs.get_total_flops()


@pytest.mark.parametrize(("prefix", "suffix"), [("vit", "base-patch32"), ("swint", "tiny-224"), ("squeezenet", "1.1")])
def test_layers_are_those_of_the_real_network(prefix, suffix):
    cost = count(prefix, suffix, 10, (64, 96))
    network = create_model(prefix, suffix, 10, img_size=(64, 96))
    own = {name: sum(p.numel() for p in module.parameters(recurse=False)) for name, module in network.named_modules()}
    assert {layer.name: layer.parameters for layer in cost.layers if layer.parameters} == {
        name: number for name, number in own.items() if number
    }
    assert cost.parameters == cost.trainable == sum(p.numel() for p in network.parameters())
    assert cost.weight_bytes == sum(tensor.nbytes for tensor in network.state_dict().values())
    modules = dict(network.named_modules())
    assert all(layer.kind == type(modules[layer.name]).__name__ for layer in cost.layers)


def test_shapes_are_those_of_the_real_network():
    network, shapes = create_model("mobilenetv3", "small", 7).eval(), {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape)}))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 64, 96))
    layers = count("mobilenetv3", "small", 7, (64, 96)).layers
    assert {layer.name: layer.output_shape for layer in layers} == {layer.name: shapes[layer.name] for layer in layers}


class Attention(nn.Module):
    def forward(self, x):
        return nn.functional.scaled_dot_product_attention(x[..., :6], x[..., :6], x)


def test_counts_by_hand():
    network = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Flatten(2), nn.Linear(9, 10), Attention())
    network.to("meta")
    with CountArithmetic(network) as counted:
        network(torch.empty(1, 4, 5, 5, device="meta"))
    assert counted.amounts["0"] == Arithmetic(6 * 9 * 2 * 9, 0, 6 * 9)
    assert counted.amounts["3"] == Arithmetic(6 * 9 * 10, 0, 6 * 10)
    assert counted.amounts["4"] == Arithmetic(6 * 6 * 6 + 6 * 6 * 10, 0, 6 * 6 + 6 * 10)  # 6 tokens
    assert set(counted.amounts) == {"0", "3", "4"}
    assert counted.shapes["3"] == (1, 6, 10)
    assert not network[0]._forward_hooks  # the network is as it was


def test_frozen_parameters_are_not_trainable(monkeypatch):
    network = create_model("squeezenet", "1.1", 10)
    frozen = network.features[0].requires_grad_(False)
    monkeypatch.setattr("models.arithmetic.create_model", lambda *names, img_size: network.to("meta"))
    cost = count("squeezenet", "1.1", 10, (64, 64))
    assert cost.parameters - cost.trainable == sum(p.numel() for p in frozen.parameters())


def test_a_product_that_would_go_uncounted_is_refused():
    network = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(NotImplementedError, match="matmul"), CountArithmetic(network):
        torch.matmul(torch.empty(2, 2, device="meta"), torch.empty(2, 2, device="meta"))


def test_images_too_small_are_refused():
    with pytest.raises(ValueError, match="needs 32x32"):
        count("vgg", "11", 10, (16, 16))
