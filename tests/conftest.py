"""Fixtures that several modules share: small folders of images."""

import os
from contextlib import nullcontext
from datetime import date

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, and threads would wait in circles

from utils.config import TrainConfig, load_train_config
from utils.config.schema import plain_values
from utils.report import pictures as report_pictures
from utils.run_page import write as run_page

import pytest

from models import shufflenetv2
from tests.helpers.commands import Runner, run_alone
from tests.helpers.image_files import noisy_image
from tests.helpers.runs import THIN

TOGETHER = (  # files whose tests share something that takes a while to make: one process runs all of them
    "tests/benchmarks/test_gpu_benchmark.py",
    "tests/export/test_export.py",
    "tests/gpu/test_adders.py",
    "tests/gpu/test_processes.py",
    "tests/test_docs.py",
)
TODAY = "DAY_OF_THE_TESTS"
COUNTING = ("tests/models/test_catalogue.py", "tests/costs/test_params.py", "tests/test_docs_pages.py")  # all networks
BY_NETWORK = ("tests/gpu/test_families.py", "tests/gpu/test_overflow.py")  # files of which it runs all of a network


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n: every test by itself to whichever process is free, but for those above.

    (xdist's own marker for that, xdist_group, is without effect from pytest 9.2 on.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            if file in BY_NETWORK:
                return file + nodeid.partition("[")[2].partition("-")[0]
            if file in COUNTING:
                return "counting"
            return file if file in TOGETHER else nodeid

    return Scheduling(config, log)


def pytest_addoption(parser):
    parser.addoption("--device", default="cuda", help="of tests/gpu; cpu rehearses what a CPU can run of them")
    parts = "one in N of the tests that are selected, by the date: each of them within N days (default: 1, all)"
    parser.addoption("--daily-part", type=int, default=1, metavar="N", help=parts)


def pytest_configure():
    os.environ.setdefault(TODAY, str(date.today().toordinal()))  # here, so that all processes go by the same


@pytest.hookimpl(trylast=True)  # behind -m and -k
def pytest_collection_modifyitems(config, items):
    parts = config.getoption("--daily-part")
    others = [item for place, item in enumerate(items) if (place + int(os.environ[TODAY])) % parts]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


@pytest.fixture
def pictures():
    """Used by a test that looks at the pictures of its runs, or at their page: they make some."""


@pytest.fixture(autouse=True)
def no_pictures(request):
    """Runs in this process draw none and write no page, which would take half the time of such short ones.

    Those of tests that use `pictures` do. Functions of utils/report that a test imports draw.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "pictures" not in request.fixturenames:
            patch.setattr(report_pictures, "draw_run", lambda *arguments: [])
            patch.setattr(run_page, "write_progress", lambda *arguments: None)
            patch.setattr(run_page, "write_report", lambda *arguments: [])
        yield


@pytest.fixture
def whole_network():
    """Used by a test that compares runs with those of a new interpreter, or counts what the network is made of."""


@pytest.fixture
def thin_network(request):
    """ShuffleNetV2 is a thin one in this process, which takes less than half of the time of a run over few images.

    In tests that use `whole_network` it is that of the paper.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "whole_network" not in request.fixturenames:
            patch.setattr(shufflenetv2, "DEPTHS", THIN)
        yield


@pytest.fixture(scope="session")
def python():
    """python(folder, words) runs `python *words` there, soon, as torch is loaded; it returns what subprocess.run does.

    For what depends on how a process starts or ends, start one.
    """
    with Runner() if hasattr(os, "fork") else nullcontext(run_alone) as run:
        yield run


@pytest.fixture
def image_folder(tmp_path):
    """image_folder({"train": {"cat": 6, "dog": 6}, "val": {...}}) writes that many pictures a class, returns the root.

    Each class has a colour of its own under noise, so that it can be learnt; the same call writes the same pixels.
    name: of the root below tmp_path.  size: (width, height), as Pillow has it.
    """

    def make(tree, *, name="images", size=(40, 32)):
        for split, classes in tree.items():
            for label, count in classes.items():
                folder = tmp_path / name / split / label
                folder.mkdir(parents=True)
                for number in range(count):
                    noisy_image(label, f"{split}/{number}", size).save(folder / f"{number:02d}.png")
        return tmp_path / name

    return make


@pytest.fixture
def data(image_folder):
    """Three classes, 21 images in train and 9 in val."""
    return image_folder({"train": {"ant": 7, "bee": 6, "cow": 8}, "val": {"ant": 3, "bee": 2, "cow": 4}})


@pytest.fixture
def make_config(data, tmp_path):
    """make_config(**changes) writes a config file over `data` with everything random switched on, and loads it.

    No key is 'auto' that is not among the changes.
    """

    def make(**changes):
        path = tmp_path / "config.py"
        path.write_text("".join(f"{name} = {value!r}\n" for name, value in {**plain, **values, **changes}.items()))
        return load_train_config(path)

    plain = plain_values(TrainConfig)
    values = dict(img_path=str(data), log_root=str(tmp_path / "logs"), model_prefix="shufflenetv2", model_suffix="0.5")
    values |= dict(img_size=[32, 32], val_resize=[36, 36], batch_size=4, accumulate_steps=2, num_workers=0)
    values |= dict(epochs=4, warmup_epochs=1, init_lr=0.01, use_ema=True, device="cpu")
    values |= dict(augment="tawide", mixup_prob=0.4, cutmix_prob=0.4, random_erase_prob=0.5, mix_off_epochs=1)
    return make
