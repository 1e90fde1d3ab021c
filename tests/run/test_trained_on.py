"""only_val names images that lie in the train folder of the checkpoint's run too."""

import shutil
from dataclasses import replace

from utils.log import RunLog
from utils.run import trained_on
from utils.run.splits import read_data
from utils.run.trained_on import warn_of_trained_images
from utils.weights.checkpoint import save_checkpoint

import pytest

import train
from tests.helpers.checkpoints import whole_checkpoint


@pytest.fixture
def warning(make_config, capsys):
    """warning(img_path of the checkpoint) -> what is said of val."""

    def said(img_path, **keys):
        config = make_config(**keys)
        images = read_data(config).val
        with RunLog():
            warn_of_trained_images(config, {"config": {"img_path": str(img_path)}}, images)
        return capsys.readouterr().out

    return said


def test_only_val_warns_of_images_that_the_checkpoint_was_trained_on(make_config, data, image_folder, tmp_path):
    other = image_folder({"val": {"ant": 2, "bee": 2, "cow": 2}}, name="other", size=(50, 40))
    shutil.copy(data / "train/cow/00.png", other / "val/cow/new name.png")
    shutil.copy(data / "train/ant/01.png", other / "val/bee/another class.png")
    save_checkpoint(tmp_path / "best.pth", whole_checkpoint(img_path=str(data), use_ema=False))
    config = replace(make_config(), only_val=True, load_from=str(tmp_path / "best.pth"), img_path=str(other))
    said = (train.run(config) / "train.log").read_text(encoding="utf-8")
    assert f"2 of 8 images of {other / 'val'} are copies of images in {data / 'train'}, which the checkpoint" in said
    for one, its in (("val/cow/new name.png", "train/cow/00.png"), ("val/bee/another class.png", "train/ant/01.png")):
        assert f"{other / one} = {data / its}" in said


def test_the_images_of_training_are_named_as_such_and_not_read_again(warning, data, tmp_path, monkeypatch):
    monkeypatch.setattr(trained_on, "copies_between", lambda *lists: pytest.fail("train is compared with itself"))
    (tmp_path / "link").symlink_to(data)
    keys = dict(only_val=True, split="train", load_from=str(tmp_path / "best.pth"))
    (tmp_path / "best.pth").touch()
    for its in (data, tmp_path / "link"):
        said = warning(its, **keys)
        assert said.startswith(f"{data / 'train'}: the images that the checkpoint was trained on, so the figures are")


def test_a_link_to_an_image_of_training_is_no_copy_of_it(warning, data):
    (data / "val/ant/link.png").symlink_to(data / "train/ant/00.png")
    assert "1 of 10 images" in (said := warning(data))
    assert f"are files in {data / 'train'}, which the checkpoint was trained on" in said
    assert said.endswith(f": {data / 'val/ant/link.png'}\n")
    assert "copies" not in said
    shutil.copy(data / "train/ant/01.png", data / "val/ant/copy.png")
    assert [line.split(" images of ")[0] for line in warning(data).splitlines()] == ["1 of 11", "1 of 11"]


def test_three_pairs_are_named(warning, data):
    for number in range(5):
        shutil.copy(data / f"train/ant/0{number}.png", data / f"val/ant/copy{number}.png")
    said = warning(data)
    assert said.startswith("5 of 14 images")
    assert said.count(" = ") == 3
    assert said.endswith(" and 2 more\n")


def test_nothing_is_said_without_copies_or_without_the_folder(warning, data, image_folder, tmp_path):
    assert warning(data) == ""
    shutil.copy(data / "train/ant/00.png", data / "val/ant/copy.png")
    assert warning(tmp_path / "gone") == ""
    assert warning(data, list_cache="none") != ""
