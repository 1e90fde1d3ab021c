"""What is checked of the data before anything is trained."""

import os
import shlex
import subprocess

from utils import distributed
from utils.errors import DataError
from utils.run.splits import read_data

import pytest

from tools import create_data


def test_processes_that_see_other_images_are_an_error_on_each(make_config, monkeypatch):
    """As two machines whose folders are not the same; they would wait for each other without end."""
    config = make_config()

    def gather(value):
        count, mark = value
        return [value, (count + more, mark)]

    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "gather", gather)
    more = 0
    read_data(config)
    more = 1
    with pytest.raises(DataError, match="train: not the same on all processes, which find 21, 22 images"):
        read_data(config)


@pytest.mark.skipif(os.name == "nt", reason="folders are renamed otherwise on Windows")
@pytest.mark.parametrize(("split", "name"), [("val", "valid"), ("val", "Validation"), ("train", "training")])
def test_a_split_of_another_name_is_refused_with_the_line_that_renames_it(make_config, data, split, name):
    (data / split).rename(data / name)
    config = make_config()
    with pytest.raises(DataError, match=f"{split}: no such folder; {name!r} seems to be {split}") as caught:
        read_data(config)
    subprocess.run(str(caught.value).partition("rename it: ")[2], shell=True, check=True)
    read_data(config)


def test_class_folders_that_are_not_divided_are_refused_with_the_line_that_divides_them(
    make_config, data, tmp_path, monkeypatch
):
    photos = tmp_path / "my photos"
    (data / "train").rename(photos)
    config = make_config(img_path=str(photos))
    message = r"train: no such folder; .*my photos holds folders of classes \('ant', 'bee', 'cow'\)"
    with pytest.raises(DataError, match=message) as caught:
        read_data(config)
    line, _, then = str(caught.value).partition("train and val: ")[2].partition("; then img_path=")
    words = shlex.split(line)
    assert words[:2] == ["python", "tools/create_data.py"]
    assert create_data.main(words[2:]) == 0
    assert len(read_data(make_config(img_path=then)).classes) == 3
    (data / "val").rename(tmp_path / "val")  # a folder that holds nothing of use is no such case
    with pytest.raises(DataError, match="no such folder; expected one folder a class in it"):
        read_data(make_config(img_path=str(data)))


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("train", "seems to be a part of a divided data set, so name the folder above it: "),
        ("train/ant", "itself, so "),
    ],
)
def test_a_folder_below_the_one_that_is_meant_leads_to_it(make_config, data, folder, said):
    with pytest.raises(DataError, match=said) as caught:
        read_data(make_config(img_path=str(data / folder)))
    assert str(caught.value).endswith(str((data / folder).parent))


@pytest.mark.parametrize("mode", ["--link", "--manifest"])
def test_folds_lead_to_the_tool_that_trains_on_each(make_config, data, tmp_path, mode):
    folds = tmp_path / "folds"
    assert create_data.main([str(data / "train"), str(folds), "--folds", "2", mode]) == 0
    with pytest.raises(DataError, match="train: no such folder; ") as caught:
        read_data(make_config(img_path=str(folds)))
    said = f"{folds} is divided into folds: python tools/cross_validate.py {folds} trains on all of them but one"
    assert said in str(caught.value)
    if mode == "--link":
        assert str(caught.value).endswith(f"name its folder: {folds / 'fold0'}")
        read_data(make_config(img_path=str(folds / "fold0")))
