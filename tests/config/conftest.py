"""Config files of a test, and what is said about the mistakes in one."""

from utils.config import ConfigError, load_train_config

import pytest


@pytest.fixture
def config_file(tmp_path):
    def write(text, name="config.py"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def problems_of(config_file):
    """The sentences about the mistakes in a config of these values."""

    def tell(**values):
        with pytest.raises(ConfigError) as caught:
            load_train_config(config_file(""), values)
        return caught.value.problems

    return tell
