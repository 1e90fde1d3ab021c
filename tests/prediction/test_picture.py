"""The picture of a prediction says which image it is of and, where a folder tells it, what that shows."""

from pathlib import Path

from utils.prediction.picture import BAR_OF_TRUTH, prediction_figure
from utils.prediction.predictions import Prediction
from utils.report import fonts

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
CLASSES = ["bird", "cat", "dog", "two\nlines"]


def test_the_name_and_the_true_class_are_in_the_picture(image):
    figure = prediction_figure(Prediction(str(image), RANKED), CLASSES, "cat")
    left, right = figure.axes
    assert figure.get_suptitle() == r"a \$5 picture_of_\$x_1\$.png"
    assert left.get_title() == "true class: cat"
    assert [text.get_text() for text in right.texts] == ["70.0%", "25.0%  true class", "5.0%"]
    assert [bar.get_facecolor() == to_rgba(BAR_OF_TRUTH) for bar in right.patches] == [False, True, False]
    assert [label.get_text() for label in right.get_yticklabels()] == ["dog", "cat", "two lines"]
    assert (
        prediction_figure(Prediction(str(image), RANKED), CLASSES, "dog").axes[0].get_title()
        == "true class: dog (right)"
    )
    beyond = prediction_figure(Prediction(str(image), RANKED), CLASSES, "bird")  # not among the likeliest
    assert beyond.axes[0].get_title() == "true class: bird"


def test_an_image_of_which_nothing_is_known_has_its_name_alone(image):
    left, right = prediction_figure(Prediction(str(image), RANKED), CLASSES, None).axes
    assert left.get_title() == ""
    assert [text.get_text() for text in right.texts] == ["70.0%", "25.0%", "5.0%"]


def test_letters_that_no_font_has_leave_indices_of_classes_and_no_warning(image, monkeypatch, tmp_path, recwarn):
    monkeypatch.setattr(fonts, "_family_with", lambda letters: None if "\u4e2d" in letters else "DejaVu Sans")
    other = image.rename(image.with_name("\u4e2d.png"))
    classes = ["bird", "\u4e2d", "dog"]
    ranked = [("dog", 0.7), ("\u4e2d", 0.25)]
    figure = prediction_figure(Prediction(str(other), ranked), classes, "\u4e2d")
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["2", "1"]
    assert (figure.axes[0].get_title(), figure.get_suptitle()) == ("true class: 1", "?.png")
    figure.savefig(tmp_path / "x.jpg")
    assert not [each for each in recwarn if "Glyph" in str(each.message)]


@pytest.mark.parametrize(("folder", "expected"), [("cat", "cat"), ("other", None)])
def test_the_folder_of_the_image_tells_its_class(folder, expected, tmp_path, monkeypatch):
    path = tmp_path / folder / "x.png"
    path.parent.mkdir()
    Image.new("RGB", (8, 6), "red").save(path)
    found = []
    monkeypatch.setattr(predict, "save_picture", lambda *given: found.append(given[3]))
    config = predict.PredictConfig(predict_img_path=str(path))
    classifier = type("", (), {"classes": ["cat", "dog"], "tap": None})
    predict.report(config, classifier, [Prediction(str(path), RANKED)], Path(tmp_path), lambda prediction: None)
    assert found == [expected]
