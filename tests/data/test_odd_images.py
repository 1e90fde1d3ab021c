"""Odd image files: the same pixels, or the same reason, through every way that an image is read."""

import os
from pathlib import Path

from utils.checking.fingerprint import fingerprint
from utils.checking.inspect import UNREADABLE, Limits, inspect
from utils.data.augment import Augmentation, TrainTransform
from utils.data.cache import ImageCache
from utils.data.dataset import EvalTransform, ImageDataset
from utils.data.images import image_size, read_image
from utils.data.preprocess import Preprocess
from utils.data.source import ImageList, PackedPaths, pack_paths
from utils.errors import DataError
from utils.prediction.classifier import Classifier

import numpy as np
import pytest
import torch

from tests.helpers.networks import Recorder
from tests.helpers.odd_images import ODD


@pytest.fixture(params=ODD, ids=lambda odd: odd.name)
def odd(request, tmp_path):
    """(case, path of its file)"""
    path = tmp_path / request.param.name.rsplit("/")[-1]
    request.param.write(path)
    return request.param, str(path)


def unchanged(case):
    """The preprocessing that leaves the expected picture as it is; any where none is expected."""
    size = (4, 4) if isinstance(case.expected, str) else case.pixels().shape[:2]
    return Preprocess(size, size, (0.0,) * 3, (1 / 255,) * 3)


def by_reading(path, case):
    return np.asarray(read_image(path))


def by_predicting(path, case):
    model = Recorder()
    classifier = Classifier(Path(), model, ["a", "b"], unchanged(case), torch.device("cpu"), None, False, "")
    [prediction] = classifier.predict([path], 1)
    prediction.check()
    return model.seen[0].permute(1, 2, 0).round().numpy()


def image_list(path):
    folder, name = os.path.split(path)
    return ImageList(folder, ("a",), PackedPaths(pack_paths([name])), np.zeros(1, dtype=np.int64))


def by_loading(path, case, cached=False):
    images = image_list(path)
    cache = ImageCache(images, budget=2**30) if cached else None
    batch = ImageDataset(images, EvalTransform(unchanged(case)), cache=cache)[0, 0]
    if batch.bad:
        raise DataError(batch.bad[0][1])
    return batch.images[0].numpy()


def by_loading_from_memory(path, case):
    return by_loading(path, case, cached=True)


@pytest.mark.parametrize("read", [by_reading, by_predicting, by_loading, by_loading_from_memory])
def test_an_odd_file_gives_its_pixels_or_the_reason(odd, read):
    case, path = odd
    if isinstance(case.expected, str):
        with pytest.raises(DataError) as caught:
            read(path, case)
        reason = str(caught.value).replace(path, "")
        assert case.expected in reason
        assert reason.strip(": .")
        assert "\n" not in reason
    else:
        seen = read(path, case).astype(int)
        expected = case.pixels()
        assert seen.shape == expected.shape
        assert np.abs(seen - expected).max() <= case.tolerance


def test_an_odd_file_trains_or_is_left_out(odd):
    case, path = odd
    transform = TrainTransform(
        Augmentation(img_size=(8, 8), augment="tawide", horizontal_flip=0.5, random_erase_prob=0.5), seed=0
    )
    batch = ImageDataset(image_list(path), transform, skip_bad=True)[0, 0]
    assert len(batch.bad) == isinstance(case.expected, str)
    assert batch.images.shape == ((0,) if batch.bad else (1, 8, 8, 3))


def test_checking_sees_what_training_sees(odd):
    case, path = odd
    found = inspect(path, Limits())
    if isinstance(case.expected, str):
        assert case.expected in found.problems[UNREADABLE]
    else:
        assert found.readable
        assert (found.height, found.width) == case.pixels().shape[:2]
        assert found.print.digest == fingerprint(read_image(path)).digest


def test_the_size_of_an_odd_file_is_reported_from_its_header(odd):
    case, path = odd
    if not isinstance(case.expected, str):
        assert image_size(path) == case.pixels().shape[:2]


def test_there_are_many_and_each_once():
    names = [case.name for case in ODD]
    assert len(names) == len(set(names)) >= 40
