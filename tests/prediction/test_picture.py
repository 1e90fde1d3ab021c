"""The picture of a prediction says which image it is of and, where a folder tells it, what that shows."""

from pathlib import Path

from utils.prediction.picture import BAR_OF_TRUTH, prediction_figure
from utils.prediction.predictions import Prediction

import pytest
from matplotlib.colors import to_rgba
from PIL import Image

import predict


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "cat" / "a $5 picture_of_$x_1$.png"
    path.parent.mkdir()
    Image.new("RGB", (8, 6), "red").save(path)
    return path


RANKED = [("dog", 0.7), ("cat", 0.25), ("two\nlines", 0.05)]


def test_the_name_and_the_true_class_are_in_the_picture(image):
    figure = prediction_figure(Prediction(str(image), RANKED), "cat")
    left, right = figure.axes
    assert figure.get_suptitle() == r"a \$5 picture_of_\$x_1\$.png"
    assert left.get_title() == "true class: cat"
    assert [text.get_text() for text in right.texts] == ["70.0%", "25.0%  true class", "5.0%"]
    assert [bar.get_facecolor() == to_rgba(BAR_OF_TRUTH) for bar in right.patches] == [False, True, False]
    assert [label.get_text() for label in right.get_yticklabels()] == ["dog", "cat", "two lines"]
    assert prediction_figure(Prediction(str(image), RANKED), "dog").axes[0].get_title() == "true class: dog (right)"
    beyond = prediction_figure(Prediction(str(image), RANKED), "bird")  # not among the likeliest
    assert beyond.axes[0].get_title() == "true class: bird"


def test_an_image_of_which_nothing_is_known_has_its_name_alone(image):
    left, right = prediction_figure(Prediction(str(image), RANKED), None).axes
    assert left.get_title() == ""
    assert [text.get_text() for text in right.texts] == ["70.0%", "25.0%", "5.0%"]


@pytest.mark.parametrize(("folder", "expected"), [("cat", "cat"), ("other", None)])
def test_the_folder_of_the_image_tells_its_class(folder, expected, tmp_path, monkeypatch):
    path = tmp_path / folder / "x.png"
    path.parent.mkdir()
    Image.new("RGB", (8, 6), "red").save(path)
    found = []
    monkeypatch.setattr(predict, "save_picture", lambda prediction, folder, true, limit: found.append(true))
    config = predict.PredictConfig(predict_img_path=str(path))
    classifier = type("", (), {"classes": ["cat", "dog"], "tap": None})
    predict.report(config, classifier, [Prediction(str(path), RANKED)], Path(tmp_path), lambda prediction: None)
    assert found == [expected]
