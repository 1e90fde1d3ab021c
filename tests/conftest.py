"""Fixtures that several modules share: small folders of images."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, and threads would wait in circles

from utils.config import load_train_config

import pytest

from tests.helpers.image_files import noisy_image


def pytest_addoption(parser):
    parser.addoption("--device", default="cuda", help="of tests/gpu; cpu rehearses what a CPU can run of them")


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
    """make_config(**changes) writes a config file over `data` with everything random switched on, and loads it."""

    def make(**changes):
        path = tmp_path / "config.py"
        path.write_text("".join(f"{name} = {value!r}\n" for name, value in {**values, **changes}.items()))
        return load_train_config(path)

    values = dict(img_path=str(data), log_root=str(tmp_path / "logs"), model_prefix="shufflenetv2", model_suffix="0.5")
    values |= dict(img_size=[32, 32], val_resize=[36, 36], batch_size=4, accumulate_steps=2, num_workers=0)
    values |= dict(epochs=4, warmup_epochs=1, init_lr=0.01, use_ema=True, device="cpu")
    values |= dict(augment="tawide", mixup_prob=0.4, cutmix_prob=0.4, random_erase_prob=0.5, mix_off_epochs=1)
    return make
