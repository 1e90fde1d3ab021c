"""sort_into: pictures beside their class, whatever they are called; nothing is overwritten, the originals stay."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from utils.config import PredictConfig
from utils.errors import ConfigError
from utils.prediction import sorting
from utils.prediction.output import check_sort_into
from utils.prediction.predictions import Prediction
from utils.prediction.sorting import Sorter, check_folders

import pytest

import predict
from tests.helpers.checkpoints import folder_with_best


@pytest.fixture
def pictures(tmp_path):
    """Two of one name with one content, and one of that name with another."""
    paths = [tmp_path / "in" / name / "1.png" for name in ("a", "b", "c")]
    for path, content in zip(paths, (b"same", b"same", b"other")):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return [str(path) for path in paths]


def sort(folder, pictures, way="copy", **rejected):
    sorter = Sorter(folder, way, ["cat", "dog"])
    for path in pictures:
        sorter.add(Prediction(path, [("cat", 0.9)], **rejected))
    return sorter


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


EXPECTED = {"cat/1.png": b"same", "cat/1_1.png": b"same", "cat/1_2.png": b"other"}


def test_pictures_of_one_name_are_kept_apart_and_the_originals_stay(pictures, tmp_path):
    assert sort(tmp_path / "out", pictures).in_words() == "3 picture(s) to 1 class(es), 0 to unknown"
    assert content(tmp_path / "out") == EXPECTED
    assert all(map(os.path.isfile, pictures))


def test_a_job_that_is_begun_again_puts_nothing_there_twice(pictures, tmp_path):
    sort(tmp_path / "out", pictures[:2])
    sort(tmp_path / "out", pictures)
    assert content(tmp_path / "out") == EXPECTED


def test_a_file_that_is_there_is_left_as_it_is(pictures, tmp_path):
    (tmp_path / "out/cat").mkdir(parents=True)
    (tmp_path / "out/cat/1.png").write_bytes(b"somebody's")
    sort(tmp_path / "out", pictures[2:])
    assert content(tmp_path / "out") == {"cat/1.png": b"somebody's", "cat/1_1.png": b"other"}


def test_a_name_that_many_pictures_have_is_not_tried_from_the_start_each_time(tmp_path, monkeypatch):
    """product0/0.png, product1/0.png ..., one of which was there before under another one's number."""
    paths = [tmp_path / f"product{i}" / "0.png" for i in range(200)]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(b"%03d" % i)
    (tmp_path / "out/cat").mkdir(parents=True)
    (tmp_path / "out/cat/0_2.png").write_bytes(b"150")
    tried = []
    monkeypatch.setattr(sorting, "hash", lambda name: tried.append(name) or hash(name), raising=False)
    sort(tmp_path / "out", paths, "link")
    order = [*range(2), 150, *(i for i in range(2, 200) if i != 150)]
    names = ["0.png", *(f"0_{number}.png" for number in range(1, 200))]
    assert content(tmp_path / "out") == {f"cat/{name}": b"%03d" % i for name, i in zip(names, order, strict=True)}
    assert len(tried) <= 4 * 200


def test_links_lead_to_the_pictures_from_anywhere(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sort(tmp_path / "out", [os.path.relpath(path) for path in pictures], "link")
    assert content(tmp_path / "out") == EXPECTED
    assert os.path.samefile(tmp_path / "out/cat/1_2.png", pictures[2])
    assert (tmp_path / "out/cat/1.png").is_symlink()


@pytest.mark.parametrize("name", ["..\\..\\Startup", "C:\\Windows", "C:x", ".. "])
def test_a_class_whose_name_leads_elsewhere_on_windows_is_refused_there(monkeypatch, name):
    """As the author of a file of weights may have it."""
    check_folders(Path("out"), ["cat", name], rejects=True)
    monkeypatch.setattr(sorting.sys, "platform", "win32")
    with pytest.raises(ConfigError, match="sort_into: no folder can be named like the class"):
        check_folders(Path("out"), ["cat", name], rejects=True)
    check_folders(Path("out"), ["cat"], rejects=True)


def test_a_class_whose_name_is_too_long_for_a_folder_is_refused(tmp_path):
    check_folders(tmp_path, ["é" * 127], rejects=True)
    with pytest.raises(ConfigError, match="no folder can be named like the class 'é+': the name is too long"):
        check_folders(tmp_path, ["é" * 128], rejects=True)


def test_a_file_in_place_of_a_folder_of_pictures_is_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "unknown").touch()
    check_folders(tmp_path, ["cat", "dog"], rejects=False)
    with pytest.raises(ConfigError, match="sort_into: '.*unknown' is a file where"):
        check_folders(tmp_path, ["cat", "dog"], rejects=True)
    (tmp_path / "dog").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="sort_into: '.*dog' is a file where"):
        check_folders(tmp_path, ["cat", "dog"], rejects=False)


def test_a_folder_whose_name_is_too_long_is_refused_before_the_work(data, tmp_path):
    config = PredictConfig(predict_img_path=str(data), sort_into=str(tmp_path / ("s" * 300) / "sorted"))
    with pytest.raises(ConfigError, match="sort_into: '.*' has a name that is too long for a folder"):
        check_sort_into(config)


def test_folders_are_checked_before_the_work(data, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "check_folders", lambda *given, **_: pytest.fail(f"checked {given[1]}"))
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    predict.run(config)
    with pytest.raises(pytest.fail.Exception, match=r"checked \['ant', 'bee', 'cow'\]"):
        predict.run(replace(config, sort_into=str(tmp_path / "sorted")))
    assert not (tmp_path / "sorted").exists()


def test_what_is_rejected_goes_to_unknown_which_is_no_class(pictures, tmp_path):
    sort(tmp_path / "out", pictures[:1], rejected="too far")
    assert content(tmp_path / "out") == {"unknown/1.png": b"same"}
    assert Sorter(tmp_path, "copy", ["Unknown", "cat"]).unknown == "unknown_1"


def test_predict_sorts_what_it_could_read(data, tmp_path, capsys):
    (data / "val/bee/broken.png").write_bytes(b"no picture")
    values = dict(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data / "val"), device="cpu")
    config = PredictConfig(**values, sort_into=str(tmp_path / "out"))
    found = predict.run(config)
    classes = sorted(each.answer for each in found if not each.error)
    assert sorted(path.parent.name for path in (tmp_path / "out").rglob("*.png")) == classes
    said = capsys.readouterr().out
    assert f"sorted into {tmp_path / 'out'}: 9 picture(s)" in said
    assert "holds files already" not in said
    predict.run(config)
    assert f"{tmp_path / 'out'}: holds files already, which stay" in capsys.readouterr().out


def test_a_folder_within_what_is_read_is_refused_before_the_work(data, tmp_path):
    config = PredictConfig(load_from=str(folder_with_best(tmp_path)), predict_img_path=str(data))
    with pytest.raises(ConfigError, match="sort_into: '.*sorted' lies in '.*', which is read; name a folder outside"):
        predict.run(replace(config, sort_into=str(data / "sorted")))


@pytest.mark.parametrize(
    ("pattern", "target", "refused"),
    [
        ("train/**", "train/sorted", True),
        ("**/*.png", "train/sorted", True),
        ("train/*/*.png", "train", True),
        ("t*/*/*/*.png", "train/sorted", True),
        ("train/**", "sorted", False),
        ("train/*.png", "train/sorted", False),  # which finds nothing in the folders of classes
        ("train/ant/00.png", "train/ant", False),
    ],
)
def test_a_folder_that_a_glob_would_find_is_refused_too(data, pattern, target, refused):
    config = PredictConfig(predict_img_path=str(data / pattern), sort_into=str(data / target))
    with pytest.raises(ConfigError, match="which is read; name a folder outside") if refused else nullcontext():
        check_sort_into(config)
