"""The default layer of every family finds what decides: in images where a coloured patch does, its map lies there."""

from functools import cache

from utils.explain.layers import default_layer
from utils.explain.maps import CAMS, explain

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import create_model
from tests.helpers.networks import PREFIXES, SMALLEST

LEARNS_SOONER = {"vgg": ("vgg", "bn11")}
SLIM = {"vit": dict(depth=3), "swint": dict(depths=(1, 1, 2, 1)), "convnext": dict(depths=(1, 1, 2, 1))}
SLIM |= {"resnext": dict(depths=(1, 1, 1, 1)), "resmlp-mixer": dict(depth=4)}
SLIM |= {"addernet": dict(depths=(1, 1, 1, 1))}
RATES = {"vgg": 1e-4, "squeezenet": 3e-4, "vit": 3e-4, "swint": 3e-4}
QUICK = {"squeezenet"}
SIZE, PATCH = (64, 96), 20  # not square, so that rows taken for columns are found out
LEAST = {"grad_cam": 1.75, "grad_cam++": 1.35}  # shares of a map in the patch, over the patch's share of the area
LARGER = {"mobilenetv2", "mobilenetv3", "mnasnet", "efficientnetv1", "efficientnetv2", "shufflenetv2", "xception"}
LARGER |= {"addernet"}
COLOURS = torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]])


def scale(prefix: str) -> int:
    """2 where it takes the last layer, on images of twice the size, to find the patch: their earlier ones see wide."""
    return 2 if prefix in LARGER else 1


def patches(number: int, seed: int, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with a patch somewhere, its class by the patch's colour, and where the patch is: (N, H, W) of 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(number, 3, *SIZE, generator=generator) * 0.3
    labels = torch.randint(len(COLOURS), (number,), generator=generator)
    where = torch.zeros(number, *SIZE)
    for image, label, mask in zip(images, labels, where):
        top, left = (int(torch.randint(side - PATCH + 1, (), generator=generator)) for side in SIZE)
        image[:, top : top + PATCH, left : left + PATCH] += COLOURS[label, :, None, None] * 2
        mask[top : top + PATCH, left : left + PATCH] = 1
    images, where = (tensor.repeat_interleave(scale, -2).repeat_interleave(scale, -1) for tensor in (images, where))
    return images, labels, where


@cache
def taught(prefix: str) -> nn.Module:
    """The smallest network of a family, in eval mode, that has learnt which patch is which."""
    torch.manual_seed(0)
    size = [side * scale(prefix) for side in SIZE]
    model = create_model(
        *LEARNS_SOONER.get(prefix, SMALLEST[prefix]), len(COLOURS), img_size=size, **SLIM.get(prefix, {})
    ).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if prefix == "squeezenet":
        nn.init.ones_(model.classifier[1].bias)  # or the ReLU behind it would silence a class for good
    optimizer = optimizer_of(prefix, model)
    recent = 1.0
    for step in range(150):
        images, labels, _ = patches(16, 1000 + step, scale(prefix))
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent = 0.7 * recent + 0.3 * loss.item()
        if step >= 15 and recent < 0.05:
            break
    measure_norms(model, scale(prefix))
    return model.eval()


def optimizer_of(prefix: str, model: nn.Module) -> torch.optim.Optimizer:
    if prefix == "addernet":  # whose layers scale their gradients for it
        return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return torch.optim.AdamW(model.parameters(), lr=RATES.get(prefix, 1e-3))


@torch.no_grad()
def measure_norms(model: nn.Module, scale: int) -> None:
    """Statistics of BatchNorm as they are after the last step, of which the running ones are far after so few."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean
    for seed in range(4):
        model(patches(16, 2000 + seed, scale)[0])


@pytest.mark.parametrize(
    "prefix", [pytest.param(prefix, marks=() if prefix in QUICK else pytest.mark.slow) for prefix in PREFIXES]
)
def test_the_map_lies_on_the_patch_that_decides(prefix):
    model = taught(prefix)
    images, labels, where = patches(24, 0, scale(prefix))
    layer = default_layer(model, tuple(where.shape[1:]))
    found = [explain(model, image, layer, methods=CAMS) for image in images]
    assert sum(each.predicted == label for each, label in zip(found, labels.tolist())) >= 20, "has not learnt"
    area = where[0].mean()
    for method in CAMS:
        maps = torch.stack([each.pictures[method] for each in found])
        shares = (maps * where).sum((1, 2)) / maps.sum((1, 2)).clamp(min=1e-9)
        ratio = (shares.mean() / area).item()
        assert ratio >= LEAST[method], f"{method} of {layer.name} {layer.grid}: {ratio:.2f} times the patch's area"
