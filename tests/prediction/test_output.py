"""Where predictions go: found unfit before the work, never in place of another file; the answers are seen anyhow."""

import os

from utils.config import PredictConfig
from utils.errors import ConfigError, DataError
from utils.files import hidden_beside, new_file
from utils.prediction.classifier import Classifier
from utils.prediction.output import folder_of

import pytest

import predict
import train
from tests.helpers.read_only import make_read_only


@pytest.fixture
def config(make_config, data):
    """Of a prediction of val by a short run."""
    best = train.run(make_config(epochs=1, warmup_epochs=0)) / "best.pth"
    return lambda **changes: PredictConfig(
        load_from=str(best), device="cpu", **{"predict_img_path": str(data / "val"), **changes}
    )


def predictions_of(config):
    return sorted(path.name for path in (predict.Path(config().load_from).parent / "predictions").iterdir())


def refused_before_the_work(monkeypatch, config, message):
    monkeypatch.setattr(predict, "find_all_images", lambda *given: pytest.fail("the work has begun"))
    with pytest.raises(ConfigError, match=message):
        predict.run(config)


def test_an_output_that_is_a_folder_is_named(config, tmp_path, monkeypatch):
    (tmp_path / "all.csv").mkdir()
    refused_before_the_work(monkeypatch, config(output=str(tmp_path / "all.csv")), r"output: '.*all\.csv' is a folder")
    refused_before_the_work(monkeypatch, config(output=str(tmp_path)), "is a folder; expected a file, such as")


def test_a_folder_that_takes_no_file_is_found_before_the_work(config, tmp_path, monkeypatch):
    (tmp_path / "ro").mkdir()
    make_read_only(monkeypatch, tmp_path / "ro")
    refused_before_the_work(
        monkeypatch, config(output=str(tmp_path / "ro" / "a.csv")), "output: cannot write a.csv, in"
    )


@pytest.mark.parametrize("single", [False, True])
def test_weights_on_a_disk_that_is_read_only_need_an_output_and_then_suffice(
    config, data, tmp_path, monkeypatch, single
):
    made = config(predict_img_path=str(data / "val" / "bee" / "00.png")) if single else config()
    folder = predict.Path(made.load_from).parent
    make_read_only(monkeypatch, folder)
    (tmp_path / "here").mkdir()
    predict.run(predict.replace(made, output=str(tmp_path / "here" / "a.csv")))
    assert os.path.getsize(tmp_path / "here" / "a.csv")
    assert os.path.exists(tmp_path / "here" / "00.jpg") == single
    refused_before_the_work(
        monkeypatch, made, "cannot write beside the weights, in .*Read-only file system; set output"
    )


@pytest.mark.parametrize("output", ["", "out.csv"])
def test_answers_are_printed_where_their_table_cannot_be_written(config, tmp_path, monkeypatch, capsys, output):
    in_batches = Classifier.in_batches

    def and_then_the_disk_fails(self, *given):
        make_read_only(monkeypatch, tmp_path)
        return in_batches(self, *given)

    monkeypatch.setattr(Classifier, "in_batches", and_then_the_disk_fails)
    with pytest.raises(DataError, match="cannot be written: Read-only file system"):
        predict.run(config(output=str(tmp_path / output) if output else ""))
    printed = capsys.readouterr().out
    assert printed.count(".png\n") == 9
    assert printed.count("%  ") == 27


def test_pictures_of_files_with_one_name_replace_nothing(config, data):
    for name in ("bee", "cow", "cow"):
        predict.run(config(predict_img_path=str(data / "val" / name / "00.png")))
    assert predictions_of(config) == ["00.jpg", "00_1.jpg", "00_2.jpg"]


def test_tables_bear_the_name_of_what_was_asked_for_and_replace_nothing(config, data):
    for pattern in (data / "val", data / "train", data / "train", data / "val" / "*" / "*.png", data / "val" / "bee"):
        predict.run(config(predict_img_path=str(pattern)))
    assert predictions_of(config) == ["bee.csv", "train.csv", "train_1.csv", "val.csv", "val_1.csv"]


def test_what_is_not_written_leaves_no_name_behind(tmp_path):
    def fail(path):
        assert path == tmp_path / "new" / "a.csv"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "new", "a", ".csv") as path:
        fail(path)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_name_of_any_length_becomes_one_that_file_systems_take(tmp_path):
    with new_file(tmp_path, "蚁" * 84, ".jpg") as path:
        assert len(os.fsencode(path.name)) < 220


@pytest.mark.parametrize("letter", ["a", "é"])
def test_names_as_long_as_file_systems_take_are_taken(config, tmp_path, letter):
    stem = letter * (251 // len(os.fsencode(letter)))
    given = config(output=str(tmp_path / f"{stem}.csv"), embed=str(tmp_path / f"{stem}.npz"))
    assert len(predict.run(given)) == 9
    assert {f"{stem}.csv", f"{stem}.npz"} <= set(os.listdir(tmp_path))
    with pytest.raises(ConfigError, match=f"output: '{letter}+.csv' is too long for the name of a file"):
        predict.run(config(output=str(tmp_path / f"{stem}{letter}.csv")))


def test_hidden_names_are_shortened_where_they_would_be_too_long_and_differ(tmp_path):
    assert hidden_beside(tmp_path / "a.csv", ".parts") == tmp_path / ".a.csv.parts"
    assert hidden_beside(tmp_path / ("a" * 248), ".parts").name == f".{'a' * 248}.parts"
    first, second, again = (hidden_beside(tmp_path / ("a" * 248 + end), ".parts") for end in "bcb")
    assert first == again != second
    assert max(len(path.name) for path in (first, second)) < 255


def test_the_folder_that_a_path_means(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for pattern, folder in {"a": "a", "a/": "a", "a/*/x.png": "a", "a/b*.png": "a", "*.png": "", "a/b/..": "a"}.items():
        assert folder_of(pattern) == tmp_path / folder, pattern
