"""embed: what the head of a network is given for each image, in an .npz file that is there whole or not at all."""

from dataclasses import replace

from utils.config import PredictConfig
from utils.cpu.folding import prepare_for_inference
from utils.errors import ConfigError
from utils.prediction.classifier import load_classifier
from utils.prediction.features_file import write_features
from utils.prediction.predictions import Answered, Prediction
from utils.training.features import FeatureTap

import numpy as np
import pytest
import torch

import predict
from models import create_model
from tests.helpers.checkpoints import CPU, folder_with_best


@pytest.fixture
def config(data, tmp_path):
    values = dict(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    return PredictConfig(**values, batch_size=4, embed=str(tmp_path / "features.npz"))


def test_the_head_makes_logits_of_the_features(config, data, tmp_path):
    (data / "val/bee/broken.png").write_bytes(b"no picture")
    found = predict.run(config)
    with np.load(tmp_path / "features.npz", allow_pickle=False) as arrays:
        names, features = arrays["names"], arrays["features"]
    assert names.tolist() == [each.path for each in found if not each.error]
    assert features.shape == (9, 1024)
    assert features.dtype == np.float32
    classifier = load_classifier(config, CPU)
    shares = classifier.model.fc(torch.from_numpy(features)).softmax(1)
    for row, each in zip(shares, (each for each in found if not each.error)):
        assert dict(each.ranked) == pytest.approx(dict(zip(classifier.classes, row.tolist())), abs=1e-6)


def test_a_network_whose_head_is_a_convolution_gives_means():
    network = prepare_for_inference(create_model("squeezenet", "1.1", 5))
    tap = FeatureTap(network)
    assert tap.width == 512
    network(torch.rand(2, 3, 64, 64))
    [features] = tap.take()
    assert features.shape == (2, 512)


def test_the_file_of_before_is_left_where_a_new_one_fails(tmp_path):
    path = tmp_path / "a.npz"
    write_features(path, [Answered([Prediction("é.png", [("a", 1.0)])], np.ones((1, 2), np.float32))], 2)
    before = path.read_bytes()

    def batches():
        yield Answered([Prediction("b.png", [("a", 1.0)])], np.ones((1, 2), np.float32))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_features(path, batches(), 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert np.load(path)["names"].tolist() == ["é.png"]


def test_a_file_of_no_image_is_one_too(tmp_path):
    write_features(tmp_path / "a.npz", [], 3)
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["features"].shape == (0, 3)
        assert arrays["names"].shape == (0,)


def test_another_ending_is_named_before_the_work(config, tmp_path):
    with pytest.raises(ConfigError, match=r"embed: expected a name ending in \.npz"):
        predict.run(replace(config, embed=str(tmp_path / "a.csv")))
