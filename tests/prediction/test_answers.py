"""predict.py where a network's answer is no number, and what its files hold then: json is json, whatever happens."""

import csv
import json
import os
import sys

from utils.config import PredictConfig
from utils.errors import DataError, ImageError
from utils.files import write_json
from utils.prediction.classifier import Classifier

import pytest

import predict
import train


@pytest.fixture
def config(make_config, data):
    """Of a prediction of val by a short run."""
    best = train.run(make_config(epochs=1, warmup_epochs=0)) / "best.pth"
    return lambda **changes: PredictConfig(
        load_from=str(best), device="cpu", **{"predict_img_path": str(data / "val"), **changes}
    )


def diverged(monkeypatch, value, *, first_alone=False):
    """From now on logits hold `value`: those of every image, or of the first of a batch."""
    sound = Classifier.logits

    def logits(self, images):
        found = sound(self, images).clone()
        found[slice(1) if first_alone else slice(None), 0] = value
        return found

    monkeypatch.setattr(Classifier, "logits", logits)


def strictly(text):
    """What a JSON parser other than Python's would read."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_image_without_an_answer_is_an_error(config, data, monkeypatch, capsys, value):
    diverged(monkeypatch, value)
    with pytest.raises(ImageError, match=r"00\.png: the network's answer is no number"):
        predict.run(config(predict_img_path=str(data / "val" / "bee" / "00.png")))
    assert "%" not in capsys.readouterr().out


def test_rows_without_an_answer_have_the_reason_and_the_others_theirs(config, monkeypatch, tmp_path, capsys):
    diverged(monkeypatch, float("nan"), first_alone=True)
    for ending in ("json", "csv"):
        predict.run(config(output=str(tmp_path / f"out.{ending}")))
    assert "8 classified, 0 unreadable, 1 without an answer" in capsys.readouterr().out
    rows = strictly((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [bool(row["error"]) for row in rows] == [True, *[False] * 8]
    assert rows[0]["classes"] == []
    first, *others = csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8"))
    assert first["class_1"] == ""
    assert "no number" in first["error"]
    assert all(float(row["probability_1"]) > 0.3 for row in others)


def test_a_folder_without_any_answer_is_written_and_then_an_error(config, monkeypatch, tmp_path):
    diverged(monkeypatch, float("nan"))
    with pytest.raises(DataError, match=r"none of 9 image\(s\) could be classified; .*00\.png: the network's answer"):
        predict.run(config(output=str(tmp_path / "out.json")))
    assert len(strictly((tmp_path / "out.json").read_text(encoding="utf-8"))) == 9


def test_json_holds_no_number_that_json_does_not_have(tmp_path):
    for value in (float("nan"), float("-inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(tmp_path / "a.json", [value])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_json_is_utf8_whatever_bytes_a_path_has(config, data, tmp_path):
    os.rename(os.fsencode(data / "val" / "bee" / "00.png"), os.fsencode(data / "val" / "bee") + b"/\xff\xe4.png")
    predict.run(config(output=str(tmp_path / "out.json")))
    rows = strictly((tmp_path / "out.json").read_bytes().decode("utf-8"))
    assert os.fsencode(data / "val" / "bee") + b"/\xff\xe4.png" in [os.fsencode(row["path"]) for row in rows]


def test_names_of_all_languages_are_readable_in_json(tmp_path):
    write_json(tmp_path / "a.json", {"0": "蚂蚁 \U0001f41c"})
    assert "蚂蚁 \U0001f41c" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_folders_of_systems_that_are_left_out_are_named(config, data, capsys):
    (data / "val/bee/@eaDir/0.png").mkdir(parents=True)
    predict.run(config())
    assert f"{data / 'val'}: left out hidden or system folders: '@eaDir'\n" in capsys.readouterr().out
