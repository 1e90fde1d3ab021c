"""Networks prepared for prediction: nothing but time changes."""

from utils.cpu.folding import prepare_for_inference

import pytest
import torch
from torch import nn

from models import create_model
from tests.helpers.initialisation import randomise

FOLDED = [("vgg", "bn11"), ("resnet", "18"), ("resnet", "50"), ("regnety", "200mf"), ("mobilenetv2", "0.25")]
FOLDED += [("mobilenetv3", "small"), ("ghostnet", "0.5"), ("efficientnetv1", "b0"), ("shufflenetv2", "0.5")]
FOLDED += [("densenet", "121"), ("xception", "299"), ("vovnet", "27slim"), ("se-resnet", "18"), ("mnasnet", "0.5")]
FOLDED += [("resnext", "50-32x4d"), ("regnetx", "200mf"), ("efficientnetv2", "small"), ("addernet", "50")]
AS_THEY_WERE = [("squeezenet", "1.1"), ("convnext", "tiny"), ("vit", "base-patch16"), ("swint", "tiny-224")]
AS_THEY_WERE += [("resmlp-mixer", "12")]


def prepared(prefix, suffix):
    """(logits before, logits after, norms before, norms left) in float64, where rounding cannot hide an error."""
    side = 32 if prefix == "addernet" else 64  # which sums in float64 for long
    model = create_model(prefix, suffix, 7, img_size=side).double().eval()
    randomise(model, 0)
    images = torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(images)
        norms = count_norms(model)
        after = prepare_for_inference(model)(images)
    return before, after, norms, count_norms(model)


def count_norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(("prefix", "suffix"), FOLDED)
def test_norms_vanish_and_logits_stay(prefix, suffix):
    before, after, norms, left = prepared(prefix, suffix)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9 * before.abs().max().item())
    assert left < norms


@pytest.mark.parametrize(("prefix", "suffix"), AS_THEY_WERE)
def test_networks_without_such_norms_are_left_alone(prefix, suffix):
    before, after, norms, left = prepared(prefix, suffix)
    assert torch.equal(before, after)
    assert left == norms
