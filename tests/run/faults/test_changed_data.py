"""Images that are not those of before when a run goes on: what is refused, what is said, what is no change."""

from dataclasses import replace

from utils.errors import WeightsError
from utils.weights.checkpoint import load_checkpoint, save_checkpoint
from utils.weights.checkpoint_schema import validated

import pytest

import train
from tests.helpers.checkpoints import whole_checkpoint
from tests.helpers.image_files import noisy_image
from tests.helpers.stopping import resumed, stopped_after

OTHER_VAL = "images/val: not the images that the epochs so far were judged by"


def log_of(folder):
    return (folder / "train.log").read_text()


def forced(config, folder):
    return train.run(replace(config, resume=True, load_from=str(folder / "last.pth")), force=True)


def as_of_an_older_version(path):
    checkpoint = load_checkpoint(path)
    del checkpoint["fingerprints"]
    save_checkpoint(path, checkpoint)


def renamed(data):
    """An image of train has another name, so that others have its index."""
    (data / "train" / "ant" / "00.png").rename(data / "train" / "ant" / "zz.png")


def put_into_another_class(data):
    (data / "train" / "ant" / "06.png").rename(data / "train" / "bee" / "06.png")


@pytest.mark.parametrize("change", [renamed, put_into_another_class])
def test_as_many_images_of_train_that_are_others_are_refused_and_forced(make_config, data, monkeypatch, change):
    config = make_config(epochs=2)
    folder = stopped_after(config, 2, monkeypatch)
    change(data)
    said = "train images: as many as before, but some have other names or are in other classes; --force resumes all"
    with pytest.raises(WeightsError, match=said):
        resumed(config, folder)
    forced(config, folder)
    assert "epoch 1 goes on at step 1 of 3" in log_of(folder)
    assert load_checkpoint(folder / "last.pth")["step"] == 6
    resumed(config, folder)  # from here on they are the images of the run


def test_another_number_is_named_as_such(make_config, data):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    (data / "train" / "ant" / "00.png").unlink()
    with pytest.raises(WeightsError, match=r"cannot resume: train images was 21, is 20; --force"):
        resumed(config, folder, epochs=2)


def added(data):
    noisy_image("ant", "more", (40, 32)).save(data / "val" / "ant" / "more.png")


def removed(data):
    (data / "val" / "cow" / "00.png").unlink()


@pytest.mark.parametrize("change", [added, removed])
def test_other_images_of_val_are_said_once_and_refuse_nothing(make_config, data, change):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    change(data)
    resumed(config, folder, epochs=2)
    assert log_of(folder).count(OTHER_VAL) == 1
    resumed(config, folder, epochs=3)
    assert log_of(folder).count(OTHER_VAL) == 1


def test_a_folder_that_was_moved_as_a_whole_holds_the_same_images(make_config, data):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    moved = data.rename(data.with_name("moved"))
    resumed(config, folder, epochs=2, img_path=str(moved))
    assert OTHER_VAL not in log_of(folder)
    assert load_checkpoint(folder / "last.pth")["epoch"] == 2


def test_an_older_checkpoint_goes_by_the_number_alone(make_config, data):
    config = make_config(epochs=1, warmup_epochs=0)
    folder = train.run(config)
    as_of_an_older_version(folder / "last.pth")
    renamed(data)
    removed(data)
    resumed(config, folder, epochs=2)
    assert OTHER_VAL not in log_of(folder)
    assert load_checkpoint(folder / "last.pth")["fingerprints"].keys() == {"train", "val"}


WRONG = [None, [], {"train": [1]}, {"train": [1], "val": []}, {"train": ["1"], "val": [1]}, {"train": [-1], "val": [1]}]


@pytest.mark.parametrize("value", WRONG)
def test_fingerprints_of_another_form_are_named(value):
    with pytest.raises(WeightsError, match=r"fingerprints: expected \{'train', 'val'\}, of integers"):
        validated({**whole_checkpoint(), "fingerprints": value}, "last.pth")
