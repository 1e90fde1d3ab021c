"""What is done to pixels alike for every image: resizing and cropping, normalisation, as torchvision does them."""

from utils.data.pixels import normalise
from utils.data.preprocess import Preprocess
from utils.weights.preprocess_schema import read_preprocess

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("channels_last", [True, False])
def test_normalisation_is_torchvisions(channels_last):
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(2, 8, 16, 3)
    ours = normalise(images, MEAN, STD, channels_last=channels_last)
    theirs = v2.Normalize(MEAN, STD)(v2.ToDtype(torch.float32, scale=True)(images.permute(0, 3, 1, 2)))
    assert ours.dtype == torch.float32
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert ours.is_contiguous() != channels_last


@pytest.mark.parametrize("size", [(64, 64), (61, 97), (20, 33)])
@pytest.mark.parametrize(("resize", "crop"), [((64, 64), (56, 56)), ((37, 52), (32, 33)), ((33, 35), (30, 28))])
def test_preprocessing_is_torchvisions_resize_and_centre_crop(size, resize, crop):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8))
    theirs = v2.Compose([v2.Resize(resize, InterpolationMode.BILINEAR, antialias=True), v2.CenterCrop(crop)])(picture)
    ours = Preprocess(crop, resize, MEAN, STD)(picture)
    assert (ours.dtype, ours.shape) == (torch.uint8, (*crop, 3))
    assert np.array_equal(ours.numpy(), np.asarray(theirs))


def test_preprocessing_goes_through_plain_types_and_back():
    preprocess = Preprocess((24, 20), (30, 28), MEAN, STD, "nearest")
    plain = preprocess.to_plain()
    assert plain["mean"] == list(MEAN)
    assert set(plain) == {"img_size", "val_resize", "mean", "std", "interpolation", "dct_scaling"}
    assert read_preprocess(plain) == preprocess
