"""Tests of what only a GPU shows. `pytest tests/gpu -n 6` needs CUDA; `--device cpu` rehearses what a CPU can run.

Without CUDA and without `--device cpu` all are skipped, for one reason.
"""

import os

from utils.distributed import pick_device

import pytest
import torch

from tests.gpu.runs import DeviceRuns

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts: deterministic products need it


def pytest_itemcollected(item):
    item.add_marker("gpu")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Here and not by a mark, so that the summary has one line for all of them."""
    if item.config.getoption("device").startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("no CUDA device here; --device cpu rehearses what a CPU can run")


@pytest.fixture(scope="session")
def device(pytestconfig):
    return pick_device(pytestconfig.getoption("device"))


@pytest.fixture(autouse=True)
def exact_float32():
    """Without TF32, which rounds the factors of float32 to 10 bits."""
    users = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [user.allow_tf32 for user in users]
    for user in users:
        user.allow_tf32 = False
    yield
    for user, allowed in zip(users, before):
        user.allow_tf32 = allowed


@pytest.fixture
def deterministic():
    """Operations that repeat bit for bit; one that cannot raises an error."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def noted_recordings(monkeypatch):
    """What has been recorded as CUDA graphs since the test began."""
    recorded, record = [], torch.cuda.make_graphed_callables

    def noting(*given, **more):
        recorded.append(record(*given, **more))

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", noting)
    return recorded


@pytest.fixture
def make_config(make_config, device):
    """The one of tests/conftest.py on `device`; there for images of 64 x 64, whose last maps are not single places."""

    def make(**changes):
        sizes = dict(img_size=[64, 64], val_resize=[64, 64]) if device.type == "cuda" else {}
        return make_config(**{"device": device.type, "batch_size": 6, **sizes, **changes})

    return make


@pytest.fixture
def make_runs(make_config, tmp_path):
    """make_runs(ranks=2, epochs=3) gives runs in processes of their own, of a config as `make_config` makes it."""

    def make(ranks=1, **changes):
        make_config(**changes)
        return DeviceRuns(tmp_path, tmp_path / "config.py", changes, ranks=ranks)

    return make
