"""Fixtures of the tests of whole runs."""

import pytest

from tests.run.faults.processes import Runs


@pytest.fixture
def make_runs(make_config, tmp_path):
    """make_runs(ranks=2, epochs=3) gives Runs of a config over the few images of `data`, saved after every step."""

    def make(ranks=1, **changes):
        changes = {"epochs": 2, "save_steps": 1, **changes}
        make_config(**changes)
        return Runs(tmp_path, tmp_path / "config.py", changes, ranks=ranks)

    return make
