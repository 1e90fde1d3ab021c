"""Prediction from a program: that of predict.py."""

from utils.config import PredictConfig
from utils.errors import ImageError
from utils.prediction import Classifier

import pytest

import predict
import train


def test_it_gives_what_predict_py_gives(make_config, tmp_path):
    config = make_config(epochs=1, warmup_epochs=0)
    best = train.run(config) / "best.pth"
    paths = sorted((tmp_path / "images/val").rglob("*.png"))[:3]
    classifier = Classifier(best, device="cpu")
    assert classifier.classes == ["ant", "bee", "cow"]
    ranked = classifier.predict(paths[0], topk=2)
    said = predict.run(PredictConfig(load_from=str(best), predict_img_path=str(paths[0]), topk=2, device="cpu"))
    assert ranked == said[0].ranked
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    found = classifier.predict_all([*paths, broken])
    assert [bool(prediction.error) for prediction in found] == [False] * 3 + [True]
    with pytest.raises(ImageError, match="broken.png"):
        classifier.predict(broken)
