"""predict.py says which run it takes where none is named, what of the config has no effect, and how many are right."""

import os
import sys
from dataclasses import replace

from utils.config import PredictConfig, load_predict_config
from utils.errors import DataError
from utils.prediction.predictions import Prediction
from utils.prediction.tally import Tally
from utils.tables import read_csv

import pytest

import predict
import train


@pytest.fixture
def best(make_config, monkeypatch):
    """best.pth of a short run, in the working directory's logs."""
    found = train.run(make_config(epochs=2)) / "best.pth"
    monkeypatch.chdir(found.parents[3])
    return found


def first_lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_the_newest_run_is_named_with_its_network_data_and_accuracy(best, data, capsys):
    row = max(read_csv(best.parent / "results.csv"), key=lambda row: float(row["accuracy"]))
    capsys.readouterr()
    predict.run(PredictConfig(predict_img_path=str(data / "val"), device="cpu"))
    said = first_lines(capsys)[0]
    assert said.startswith("load_from is not set: logs/shufflenetv2_0.5/exp0/best.pth is of the newest run, ")
    assert f"shufflenetv2 0.5 trained on {data}, best accuracy" in said
    assert float(said.split("best accuracy ")[1].split()[0]) >= float(row["accuracy"]) - 1e-4
    predict.run(PredictConfig(load_from=str(best), predict_img_path=str(data / "val"), device="cpu"))
    assert "load_from" not in capsys.readouterr().out


def test_the_default_image_is_said_to_be_that_where_it_is_missing(best):
    with pytest.raises(DataError, match=r"that is the default: name your own, python predict.py RUN IMAGES"):
        predict.run(PredictConfig(device="cpu"))
    with pytest.raises(DataError, match="no image") as error:
        predict.run(PredictConfig(predict_img_path="mine.png", device="cpu"))
    assert "default" not in str(error.value)


def test_the_accuracy_on_class_folders_is_that_of_validation(best, data, capsys):
    capsys.readouterr()
    predictions = predict.run(PredictConfig(load_from=str(best), predict_img_path=str(data / "val"), device="cpu"))
    right = sum(each.ranked[0][0] == each.path.split(os.sep)[-2] for each in predictions)
    assert f"accuracy {right / 9:.4f}: {right} right, by the class folders of 9 image(s)" in capsys.readouterr().out


def prediction(path, answer):
    return Prediction(path, [(answer, 0.9)]) if answer else Prediction(path, [], "broken")


def accuracy_in_words(predictions, folder, classes):
    tally = Tally(folder, classes)
    for each in predictions:
        tally.add(each)
    return tally.accuracy_in_words()


def test_images_count_by_the_first_folder_with_a_name_of_a_class(tmp_path):
    answers = {"cat/1.png": "cat", "cat/dog/2.png": "dog", "new/cat/3.png": "cat", "none/4.png": "cat", "5.png": "cat"}
    predictions = [prediction(str(tmp_path / path), answer) for path, answer in {**answers, "dog/6.png": ""}.items()]
    found = accuracy_in_words(predictions, tmp_path, ["cat", "dog"])
    assert found == "accuracy 0.6667: 2 right, by the class folders of 3 image(s) of 5"
    assert accuracy_in_words(predictions[-1:], tmp_path, ["cat", "dog"]) == ""
    rejected = replace(predictions[0], rejected="far away")
    found = accuracy_in_words([*predictions, rejected], tmp_path, ["cat", "dog"])
    assert found.endswith("3 image(s) of 5 that are not rejected")


def warnings(capsys, config, explicit=()):
    capsys.readouterr()
    predict.run(config, explicit)
    return capsys.readouterr().err.splitlines()


def test_keys_that_a_checkpoint_decides_are_named_with_what_holds(best, data, capsys):
    config = dict(load_from=str(best), predict_img_path=str(data / "val"), device="cpu")
    assert warnings(capsys, PredictConfig(**config)) == []
    same = dict(img_size=(32, 32), model_prefix="shufflenetv2", num_classes=3, mean=(0.5, 0.5, 0.5))
    assert warnings(capsys, PredictConfig(**config, **same)) == []
    others = dict(img_size=(96, 96), num_classes=4, model_suffix="1.0", class_indices_path="x.json", pad_value=0)
    assert warnings(capsys, PredictConfig(**config, **others)) == [
        f"warning: {key} is without effect, as {best} has its own{holds}"
        for key, holds in [
            ("model_suffix: '1.0'", ": '0.5'"),
            ("class_indices_path: 'x.json'", ""),
            ("num_classes: 4", ": 3"),
            ("img_size: [96, 96]", ": [32, 32]"),
            ("pad_value: 0", ": 128"),
        ]
    ]


def test_a_key_of_the_command_line_is_named_even_where_it_is_the_default(best, data, monkeypatch, capsys, tmp_path):
    (tmp_path / "predict_config.py").write_text("")
    assert load_predict_config(tmp_path / "predict_config.py", {"img_size": [224, 224]}) == PredictConfig()
    words = [f"load_from={best}", f"predict_img_path={data / 'val'}", "img_size=[224,224]"]
    options = [f"--set={word}" for word in words]
    monkeypatch.setattr(sys, "argv", ["predict.py", "--config", str(tmp_path / "predict_config.py"), *options])
    capsys.readouterr()
    assert predict.main() == 0
    assert "warning: img_size: [224, 224] is without effect, as " in capsys.readouterr().err


def test_a_class_folder_by_itself_labels_its_images(tmp_path):
    predictions = [prediction(str(tmp_path / "cat" / path), "cat") for path in ("1.png", "dog/2.png")]
    found = accuracy_in_words(predictions, tmp_path / "cat", ["cat", "dog"])
    assert found == "accuracy 0.5000: 1 right, by the class folders of 2 image(s)"
