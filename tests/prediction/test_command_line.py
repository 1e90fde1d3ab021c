"""python predict.py [WEIGHTS] [IMAGES ...]: which word is which, and what is said of one that is neither."""

import csv
import os
import sys

from utils.config import load_predict_config
from utils.prediction.predictions import Prediction

import pytest

import predict
from tests.helpers.checkpoints import folder_with_best


@pytest.fixture
def run(tmp_path):
    """The folder of a run of three classes."""
    return folder_with_best(tmp_path)


@pytest.fixture
def given(monkeypatch):
    """given(*words) is (load_from, predict_img_path) of predict.py with these words."""

    def keys(*words):
        found = []
        monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, words)])
        monkeypatch.setattr(predict, "classify", lambda config, explicit: found.append(config))
        assert predict.main() == 0
        return found[0].load_from, found[0].predict_img_path

    return keys


@pytest.fixture
def refused(monkeypatch, capsys):
    """refused(*words) is the error of predict.py."""

    def message(*words):
        monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, words)])
        monkeypatch.setattr(predict, "classify", lambda *given: pytest.fail("it has begun"))
        assert predict.main() == 2
        return capsys.readouterr().err

    return message


def test_output_and_resume_are_named_as_in_every_tool(run, data, monkeypatch, refused):
    found = []
    monkeypatch.setattr(predict, "classify", lambda config, explicit: found.append((config, explicit)))
    monkeypatch.setattr(sys, "argv", ["predict.py", str(run), str(data), "--output", "~/all.csv", "--resume"])
    assert predict.main() == 0
    [(config, explicit)] = found
    assert (config.output, config.resume) == (os.path.expanduser("~/all.csv"), True)
    assert {"output", "resume"} <= set(explicit)
    assert "output: --set says 'a.csv', --output says 'b.csv'" in refused("--output", "b.csv", "--set", "output=a.csv")


def test_the_first_word_is_weights_if_it_is_a_run_or_has_their_ending(given, run, data, tmp_path):
    shipped = load_predict_config()
    image = str(data / "val" / "bee" / "00.png")
    onnx = tmp_path / "a model.onnx"
    onnx.write_bytes(b"")
    assert given() == (shipped.load_from, shipped.predict_img_path)
    assert given(run) == (str(run), shipped.predict_img_path)
    assert given(onnx, data) == (str(onnx), str(data))
    assert given(image) == ("", image)
    assert given(data / "val", image) == ("", (str(data / "val"), image))
    assert given("--set", "topk=2", run, "--set", "batch_size=1", image) == (str(run), image)
    assert given("--weights", run, data) == (str(run), str(data))
    assert given("--load-from", run, image, data) == (str(run), (image, str(data)))
    assert given(run, data / "val" / "*" / "*.png")[1] == str(data / "val" / "*" / "*.png")


def test_a_word_and_a_set_of_the_same_key_agree_or_are_refused(given, refused, run, data):
    assert given(run, "--set", f"load_from={run}") == given(run)
    assert given(data, "--set", f"predict_img_path={data}") == given(data)
    said = refused(run, "--set", "load_from=other.pth")
    assert f"load_from: --set says 'other.pth', WEIGHTS says '{run}'; expected one value" in said
    assert f"IMAGES says '{data}'" in refused(data, "--set", "predict_img_path=other.png")
    assert "--weights says 'a.pth', WEIGHTS says" in refused("--weights", "a.pth", run)


def test_what_is_not_there_is_named_with_what_it_was_taken_for(refused, run, data):
    assert "'stamps.onnx' was taken for WEIGHTS, by its ending: no such file" in refused("stamps.onnx", data)
    said = refused("stamps", data)
    assert "'stamps' was taken for one of the IMAGES: no such file or folder" in said
    assert "WEIGHTS are the folder of a run, or a file ending in .pth" in said
    assert "'*.gif' was taken for one of the IMAGES" in refused(run, "*.gif")
    assert "was taken for one of the IMAGES, by its place; weights come first" in refused(data, run / "best.pth")


def test_a_run_without_a_checkpoint_is_no_folder_of_images(run, data, monkeypatch, capsys):
    (run / "best.pth").unlink()
    for name in ("train_config.py", "environment.json", "confusion_matrix.jpg"):
        (run / name).write_text("")
    monkeypatch.setattr(sys, "argv", ["predict.py", str(run), str(data)])
    assert predict.main() == 2
    assert f"{run}: the folder of a run without best.pth" in capsys.readouterr().err


def test_several_images_come_in_the_order_given_and_each_file_once(run, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cow = data / "val" / "cow" / "01.png"
    words = [cow, "images/val/bee", data / "val" / "../val/cow", "images/val/bee/00.png"]
    output = tmp_path / "out.csv"
    monkeypatch.setattr(sys, "argv", ["predict.py", str(run), *map(str, words), "--set", f"output={output}"])
    assert predict.main() == 0
    rows = [row["path"].split("/")[-2:] for row in csv.DictReader(output.open(encoding="utf-8"))]
    assert rows == [["cow", "01.png"], ["bee", "00.png"], ["bee", "01.png"], *(["cow", f"0{n}.png"] for n in (0, 2, 3))]
    said = capsys.readouterr().out
    assert "; 6 image(s)" in said
    assert "by the class folders of 6 image(s)" in said  # as of a shell's val/*


def test_the_table_of_several_has_the_name_of_the_folder_that_they_share(run, data):
    config = load_predict_config(
        overrides={"load_from": str(run), "predict_img_path": sorted(map(str, data.glob("val/*")))}
    )
    found = predict.run(config)
    assert len(found) == 9
    assert all(isinstance(each, Prediction) for each in found)
    assert (run / "predictions" / "val.csv").is_file()


def test_a_run_and_photos_are_enough_in_any_folder(run, data, tmp_path, monkeypatch, capsys):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "argv", ["predict.py", "../logs/shufflenetv2_0.5/exp0", "../images/val/bee"])
    assert predict.main() == 0
    assert "2 classified, 0 unreadable" in capsys.readouterr().out


def test_a_folder_of_runs_is_no_folder_of_images(refused, run, data):
    """Else the newest run of all would answer, for the pictures that runs are drawn into."""
    said = refused(run.parent, data / "val")
    assert f"taken for one of the IMAGES: it is a folder of runs, the newest of which is {run}" in said
