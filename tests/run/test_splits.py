"""What is checked of the data before anything is trained."""

import os
import subprocess

from utils import distributed
from utils.errors import DataError
from utils.run.splits import read_data

import pytest


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
