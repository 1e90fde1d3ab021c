"""Fixtures of the tests of whole runs."""

from utils.config.keys import AUTO_KEYS

import pytest

from tests.run.faults.processes import Runs


@pytest.fixture(autouse=True)
def thin(thin_network):
    """For all of these tests."""


@pytest.fixture
def make_runs(make_config, tmp_path):
    """make_runs(ranks=2, epochs=3) gives Runs of a config over the few images of `data`, saved after every step."""

    def make(ranks=1, **changes):
        changes = {"epochs": 2, "save_steps": 1, **changes}
        make_config(**changes)
        return Runs(tmp_path, tmp_path / "config.py", changes, ranks=ranks)

    return make


@pytest.fixture
def auto_config(make_config):
    """auto_config(**changes): every key that can be is 'auto', but what keeps the run short."""

    def make(**changes):
        short = {"img_size": [32, 32], "val_resize": [36, 36], "batch_size": 4, "epochs": 2}
        return make_config(**{**dict.fromkeys(AUTO_KEYS, "auto"), **short, **changes})

    return make
