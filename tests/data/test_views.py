"""Test-time augmentation: which views, and what their mean is."""

import re
from dataclasses import replace

from utils.config import PredictConfig
from utils.data.preprocess import Preprocess
from utils.data.views import Views, mean_probabilities
from utils.errors import ConfigError
from utils.prediction.classifier import load_classifier
from utils.training.views import MeanOfViews

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.checkpoints import CPU, folder_with_best

STEPS = Preprocess((4, 6), (8, 8), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))


def test_crops_are_the_corners_and_the_middle_which_validation_sees(picture):
    views = Views("crops5", STEPS)
    whole = views.reads(picture)
    assert whole.shape == (8, 8, 3)
    found = views.of(whole[None], height=1)
    assert torch.equal(found[4][0], STEPS(picture))
    for view, (top, left) in zip(found, ((0, 0), (0, 2), (4, 0), (4, 2))):
        assert torch.equal(view[0], whole[top : top + 4, left : left + 6])
    channels_first = views.of(whole.permute(2, 0, 1)[None], height=2)
    assert all(torch.equal(a.permute(0, 2, 3, 1), b) for a, b in zip(channels_first, found))


@pytest.mark.parametrize("longer", range(34, 50))
@pytest.mark.parametrize("val_resize", [32, 33, 34, 35])
def test_the_middle_is_that_of_validation_whatever_is_odd(longer, val_resize):
    """Of pictures whose longer side is cut, where a half of a pixel could be rounded twice."""
    steps = replace(STEPS, resize_mode="shortest", img_size=(30, 30), val_resize=(val_resize, val_resize))
    pixels = np.random.default_rng(0).integers(0, 255, (val_resize, longer + 2, 3), dtype=np.uint8)
    for picture in (Image.fromarray(pixels), Image.fromarray(pixels.transpose(1, 0, 2))):
        views = Views("crops5", steps)
        whole = views.reads(picture)
        assert whole.shape == (val_resize, val_resize, 3)
        assert torch.equal(views.of(whole[None], height=1)[views.plain][0], steps(picture))


def test_flip_adds_the_mirror_image_and_none_nothing(picture):
    image = STEPS(picture)[None]
    plain, mirrored = Views("flip", STEPS).of(image, height=1)
    assert torch.equal(plain, image)
    assert torch.equal(mirrored[0, :, 0], image[0, :, -1])
    assert Views("flip", STEPS).reads == STEPS
    assert len(Views("none", STEPS).of(image, height=1)) == 1


@pytest.mark.parametrize("changes", [{"resize_mode": "letterbox"}, {"val_resize": (4, 6)}])
def test_crops_of_what_is_never_cropped_are_refused(changes):
    with pytest.raises(ConfigError, match="tta: 'crops5' has nothing to cut off, .*; 'flip' has an effect"):
        Views("crops5", replace(STEPS, **changes))


def test_probabilities_are_averaged_not_logits():
    logits = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    expected = sum((each / 2).softmax(1) for each in logits) / 2
    torch.testing.assert_close(mean_probabilities(logits, 2.0), expected)


@pytest.mark.parametrize("tta", ["flip", "crops5"])
def test_predict_and_only_val_average_the_same(data, tmp_path, tta):
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), device="cpu", tta=tta)
    classifier = load_classifier(config, CPU)
    path = str(data / "val/bee/00.png")
    [prediction] = classifier.predict([path], 3)
    views = classifier.views
    image = views.reads(Image.open(path))[None].permute(0, 3, 1, 2).float()
    images = (image / 255 - 0.5) / 0.5
    shares = MeanOfViews(classifier.model, views)(images).softmax(1)[0]
    by_hand = torch.cat([classifier.model(view) for view in views.of(images, height=2)]).softmax(1).mean(0)
    torch.testing.assert_close(shares, by_hand)
    assert dict(prediction.ranked) == pytest.approx(dict(zip(classifier.classes, by_hand.tolist())), abs=1e-5)
    plain = load_classifier(replace(config, tta="none"), CPU).predict([path], 3)[0]
    assert dict(plain.ranked) != dict(prediction.ranked)


def test_a_share_that_is_no_longer_a_number_above_0_keeps_its_loss_finite():
    class Sure(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([[500.0, -500.0]])

    found = MeanOfViews(Sure(), Views("flip", STEPS))(torch.zeros(1, 3, 4, 6))
    assert found.isfinite().all()
    assert re.fullmatch(r"0\.0|-0\.0", str(found[0, 0].item()))
