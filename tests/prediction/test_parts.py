"""What is kept of a job whose disk has lost a part of it: each image has its own answer and its own features."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from utils import distributed
from utils.config import PredictConfig
from utils.data.source import PackedPaths, pack_paths
from utils.errors import ConfigError, DataError
from utils.prediction import job
from utils.prediction.classifier import Classifier
from utils.prediction.parts import PLAN, Parts, begin, entries, parts_folder
from utils.prediction.predictions import Answered, Prediction

import numpy as np
import pytest

import predict
from tests.helpers.checkpoints import folder_with_best

WIDTH = 3
PATHS = [f"{i}.png" for i in range(10)]
UNREAD = 4  # image


def answered(start):
    """The batch of images `start` and `start` + 1; the features of image i are i, i, i."""
    images = [start, start + 1]
    rows = [Prediction(PATHS[i], [] if i == UNREAD else [("a", 1.0)], "broken" * (i == UNREAD)) for i in images]
    return Answered(rows, np.array([[i] * WIDTH for i in images if i != UNREAD], np.float32))


@pytest.fixture
def folder(tmp_path):
    """With the answers of images 0 to 7."""
    begin(tmp_path, {}, resume=False)
    parts = Parts(tmp_path, 0)
    for start in range(0, 8, 2):
        parts.add(start, answered(start))
    return tmp_path


def resumed(folder):
    """The parts after what is missing was answered, and the first images of what was."""
    begin(folder, {}, resume=True, width=WIDTH)
    parts = Parts(folder, 0)
    parts.look()
    missing = [start for start in range(0, 10, 2) if start not in parts]
    for start in missing:
        parts.add(start, answered(start))
    parts.look()
    return parts, missing


def check_features(parts):
    batches = list(parts.read(PATHS, WIDTH))
    assert [each.path for batch in batches for each in batch.predictions] == PATHS
    found = np.concatenate([batch.features for batch in batches])
    assert found.tolist() == [[i] * WIDTH for i in range(10) if i != UNREAD]


@pytest.mark.parametrize(
    ("rows", "missing"),
    [(7, [8]), (6.5, [6, 8]), (5, [6, 8]), (4.9, [4, 6, 8]), (0, [0, 2, 4, 6, 8]), (None, [0, 2, 4, 6, 8]), (9, [8])],
)
def test_images_whose_features_are_not_on_the_disk_are_answered_again(folder, rows, missing):
    """rows: of features that are; 7 were written. None: the file is gone."""
    values = folder / "0.f32"
    if rows is None:
        values.unlink()
    else:
        values.write_bytes(values.read_bytes()[: int(rows * 4 * WIDTH)].ljust(int(rows * 4 * WIDTH), b"?"))
    parts, found = resumed(folder)
    assert found == missing
    check_features(parts)


def test_features_that_an_earlier_version_mixed_up_are_made_again(folder):
    """It added to a file that had lost some, so that one row was of two images."""
    (folder / "0.f32").unlink()
    Parts(folder, 0).add(8, answered(8))
    with open(folder / "0.f32", "ab") as file:
        file.write(bytes(4 * WIDTH * 8))
    parts, missing = resumed(folder)
    assert missing == [0, 2, 4, 6, 8]
    check_features(parts)


def test_a_process_that_this_job_lacks_has_its_lines_checked_too(folder):
    Parts(folder, 1).add(8, answered(8))
    (folder / "1.f32").write_bytes(bytes(4 * WIDTH))
    parts, missing = resumed(folder)
    assert missing == [8]
    check_features(parts)


def test_features_that_vanish_meanwhile_are_named(folder):
    parts, _ = resumed(folder)
    (folder / "0.f32").unlink()
    with pytest.raises(DataError, match=r"0\.f32: damaged; remove its folder"):
        list(parts.read(PATHS, WIDTH))


@pytest.mark.parametrize("remove", [job._empty, lambda folder: begin(folder, {}, resume=False)])
def test_a_folder_that_is_emptied_in_part_begins_anew(folder, monkeypatch, remove):
    def removed_one(path):
        unlink(path)
        raise KeyboardInterrupt

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", removed_one)
        with pytest.raises(KeyboardInterrupt):
            remove(folder)
    assert {path.name for path in entries(folder)} == {"0.jsonl", "0.f32"}
    begin(folder, {}, resume=True, width=WIDTH)
    assert [path.name for path in entries(folder)] == [PLAN]


def test_predict_answers_again_what_has_lost_its_features(data, tmp_path, monkeypatch):
    values = dict(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    config = PredictConfig(**values, batch_size=2, output=str(tmp_path / "a.csv"), embed=str(tmp_path / "a.npz"))
    whole = predict.run(config)
    expected = (tmp_path / "a.npz").read_bytes()
    in_batches = Classifier.in_batches

    def some(*given):
        yield from islice(in_batches(*given), 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "in_batches", some)
        with pytest.raises(KeyboardInterrupt):
            predict.run(config)
    (parts_folder(tmp_path / "a.csv") / "0.f32").write_bytes(b"")
    assert predict.run(replace(config, resume=True)) == whole
    assert (tmp_path / "a.npz").read_bytes() == expected


def test_weights_named_by_another_path_are_the_same_ones(tmp_path, monkeypatch):
    """Absolute, or as it was written, which earlier versions kept."""
    weights = folder_with_best(tmp_path) / "best.pth"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    relative, absolute = (plan_with(path) for path in (weights.relative_to(tmp_path), weights))
    earlier = relative | {"weights": [str(weights.relative_to(tmp_path)), *relative["weights"][1:]]}
    for before in (relative, earlier):
        begin(tmp_path / "parts", before, resume=False)
        begin(tmp_path / "parts", absolute, resume=True)
    weights.rename(weights.with_name("other.pth"))
    with pytest.raises(ConfigError, match=r"weights was \['logs/\S+best\.pth', \S+ \S+, is \['/\S+other\.pth', "):
        begin(tmp_path / "parts", plan_with(weights.with_name("other.pth")), resume=True)


def plan_with(weights):
    config = PredictConfig(load_from=str(weights))
    classifier = predict.load_classifier(config, distributed.pick_device("cpu"))
    return job.plan_of(config, classifier, PackedPaths(pack_paths(["a.png"])))


def test_what_differs_is_named_in_words_where_numbers_say_nothing(folder):
    begin(folder, {"checksum": 1, "class_indices_path": ""}, resume=False)
    with pytest.raises(
        ConfigError, match="of another job: the paths of the images differ; that job goes on where these"
    ):
        begin(folder, {"checksum": 2, "class_indices_path": ""}, resume=True)
