"""What is checked of the data before anything is trained."""

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
