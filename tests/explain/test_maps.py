"""Maps and guided gradients: the papers' formulas, jacobgil's grad-cam package, and what may not be left behind."""

import copy

from utils.explain.layers import default_layer, named_layer
from utils.explain.maps import (
    CAMS,
    activations_and_gradients,
    enlarge,
    explain,
    grad_cam,
    grad_cam_plus_plus,
    guided_gradients,
)

import pytest
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from models import create_model
from tests.helpers.initialisation import SkipRandomFill, damp, randomise

SIZE = (64, 96)
SMALL = {"vit": dict(dim=48, depth=2, heads=3), "swint": dict(dim=24, depths=(1, 1, 1, 1))}
SMALL |= {"convnext": dict(depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)), "densenet": dict(depths=(2, 2, 2, 2))}


def network(prefix, suffix, size=SIZE):
    """A small network of 5 classes with random weights, in eval mode, and an image of `size`."""
    with SkipRandomFill():
        model = create_model(prefix, suffix, 5, img_size=size, **SMALL.get(prefix, {})).eval()
    randomise(model, seed=0)
    damp(model)
    return model, torch.randn(3, *size, generator=torch.Generator().manual_seed(1))


# --- formulas


def test_grad_cam_by_hand():
    activations = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 5.0]]])[None]
    gradients = torch.tensor([[[1.0, 1.0], [0.0, 2.0]], [[-1.0, -1.0], [-1.0, -1.0]]])[None]
    assert grad_cam(activations, gradients).tolist() == [[[0.0, 2.0], [3.0, 0.0]]]  # weights 1 and -1


def test_grad_cam_plus_plus_by_its_equation():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(2, 6, 3, 4, generator=generator).relu().double()
    gradients = torch.randn(2, 6, 3, 4, generator=generator).double()
    sums = activations.sum((2, 3), keepdim=True)
    alpha = gradients**2 / (2 * gradients**2 + sums * gradients**3)  # equation 19 with exp of the score
    weights = (alpha * gradients.relu()).sum((2, 3))
    expected = torch.einsum("nc,nchw->nhw", weights, activations).relu()
    torch.testing.assert_close(grad_cam_plus_plus(activations, gradients), expected)


def test_grad_cam_plus_plus_is_bounded_where_activations_are_negative():
    activations = -torch.ones(1, 1, 2, 2)
    gradients = torch.full((1, 1, 2, 2), 0.5)  # the fraction would be 0 / 0
    assert grad_cam_plus_plus(activations, gradients).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_maps_are_enlarged_to_one_and_blank_ones_stay_blank():
    maps = enlarge(torch.stack((torch.zeros(2, 3), torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 4.0]]))), (8, 12))
    assert maps.shape == (2, 8, 12)
    assert not maps[0].any()
    assert (maps[1].min(), maps[1].max(), maps[1].argmax()) == (0, 1, 6 * 12 + 10)  # where 4 alone counts


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU])
def test_guided_gradients_pass_a_rectifier_only_where_positive(activation):
    torch.manual_seed(0)
    inplace = {} if activation is nn.GELU else {"inplace": True}
    first = nn.Linear(3 * 4 * 4, 50)
    second = nn.Linear(50, 3)
    model = nn.Sequential(nn.Flatten(), first, activation(**inplace), second)
    images = torch.randn(2, 3, 4, 4)
    inner = first(images.flatten(1)).detach().requires_grad_()
    [slope] = torch.autograd.grad(activation()(inner).sum(), inner)
    expected = (slope * second.weight[1].clamp(min=0)) @ first.weight
    torch.testing.assert_close(guided_gradients(model, images, 1).flatten(1), expected)


# --- hooks


@pytest.mark.parametrize(
    ("prefix", "suffix", "name"), [("resnet", "18", "layer3.1.bn1"), ("densenet", "121", "features.norm5")]
)
def test_a_layer_before_an_activation_in_place_is_seen_as_it_was(prefix, suffix, name):
    model, image = network(prefix, suffix)
    without = copy.deepcopy(model)
    for module in without.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    kept, expected = (
        activations_and_gradients(each, image[None], named_layer(each, name, SIZE), 1) for each in (model, without)
    )
    assert expected[1].min() < 0
    for one, other in zip(kept, expected):
        assert torch.equal(one, other)


def hooks(model):
    return sum(len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules())


def test_nothing_is_left_behind():
    model, image = network("resnet", "18")
    before = model(image[None])
    layer = default_layer(model, SIZE)
    with torch.inference_mode(False):
        explain(model, image, layer)
    with pytest.raises(RuntimeError):
        explain(model, image[:2], layer)
    with pytest.raises(RuntimeError):
        guided_gradients(model, image[None, :2], 0)
    assert hooks(model) == 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(model(image[None]), before)
    assert not image.requires_grad


def test_the_likeliest_class_is_explained_unless_another_is_named():
    model, image = network("resnet", "18")
    layer = default_layer(model, SIZE)
    logits = model(image[None])[0]
    likeliest, other = (explain(model, image, layer, target, CAMS) for target in (None, int(logits.argmin())))
    assert likeliest.target == likeliest.predicted == other.predicted == logits.argmax()
    assert other.target == logits.argmin()
    torch.testing.assert_close(likeliest.probabilities, logits.softmax(0))
    assert not torch.equal(likeliest.pictures["grad_cam"], other.pictures["grad_cam"])
    again = explain(model, image, layer, likeliest.target, CAMS)
    assert torch.equal(again.pictures["grad_cam++"], likeliest.pictures["grad_cam++"])


def test_guided_grad_cam_is_the_product():
    model, image = network("resnet", "18")
    pictures = explain(model, image, default_layer(model, SIZE)).pictures
    torch.testing.assert_close(pictures["guided_grad_cam"], pictures["guided_backprop"] * pictures["grad_cam"])
    assert pictures["guided_backprop"].shape == (3, *SIZE)


# --- the same as the package of jacobgil

COMPARED = [
    ("resnet", "18"),
    ("densenet", "121"),
    ("mobilenetv2", "0.25"),
    ("vit", "base-patch16"),
    ("swint", "tiny-224"),
]


def scaled(maps):
    """Each map between 0 and 1, as the package gives them."""
    maps = maps - maps.amin((-2, -1), keepdim=True)
    return maps / maps.amax((-2, -1), keepdim=True)


@pytest.mark.parametrize(("prefix", "suffix"), COMPARED, ids=[prefix for prefix, _ in COMPARED])
def test_maps_are_those_of_the_grad_cam_package(prefix, suffix):
    size = (128, 192)
    model, image = network(prefix, suffix, size)
    layer = default_layer(model, size)
    if isinstance(layer.module, nn.LayerNorm):
        layer.module.bias.data.add_(5)  # Grad-CAM++ supposes activations that are not negative
    for parameter in list(model.parameters())[-2:]:
        parameter.data.mul_(1e12)  # gradients that dwarf the package's eps, of 1e-6 beside their squares
    model = model.double()  # in which powers of them have room
    image = image.double()
    for method, package in zip(CAMS, (GradCAM, GradCAMPlusPlus)):
        compared = 0
        with package(model, [layer.module], reshape_transform=layer.to_map) as cam:
            for target in range(5):
                expected = torch.from_numpy(cam(image[None], [ClassifierOutputTarget(target)]))[0]
                found = explain(model, image, layer, target, [method]).pictures[method]
                assert found.any() == expected.any()
                if expected.any():  # a class that nothing speaks for has a blank map
                    assert (scaled(found) - expected).abs().max() < 1e-3
                    compared += 1
        assert compared >= 2
