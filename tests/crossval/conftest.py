"""Pictures in class folders, and the command with a training that only pretends."""

import os
import zlib

from utils.config.schema import render
from utils.data.listing import scan
from utils.files import write_json, write_text
from utils.report.saved_answers import COLUMNS
from utils.run.folder import next_run_folder
from utils.tables import write_csv

import numpy as np
import pytest

import train
from tests.helpers.image_files import noisy_image
from tools.cross_validate import main

SMALL = ["img_size=32", "val_resize=32", "batch_size=4", "num_workers=0", "device=cpu", "epochs=2", "augment=simple"]
SMALL += ["model_prefix=shufflenetv2", "model_suffix=0.5", "warmup_epochs=0", "init_lr=0.01", "list_cache=none"]


def write_pictures(root, tree):
    """{"cat": ["a.png", ...]}, each with pixels of its own."""
    for label, names in tree.items():
        (root / label).mkdir(parents=True)
        for name in names:
            noisy_image(label, name, (20, 20)).save(root / label / name)
    return root


@pytest.fixture
def photos(tmp_path):
    names = [f"{number}.png" for number in range(6)]
    return write_pictures(tmp_path / "photos", {"cat": names, "dog": names, "emu": names})


def chances_of(content, classes, seed):
    """What the network of this seed is said to think of a picture: a draw by its bytes."""
    return np.random.default_rng([zlib.crc32(content), seed]).dirichlet(np.ones(len(classes)))


class Pretended:
    """In place of train.run: makes the folder of a run with the predictions of val, and nothing else."""

    def __init__(self, columns=True):
        self.configs, self.columns = [], columns

    def __call__(self, config, **_):
        self.configs.append(config)
        run = next_run_folder(config.log_root, "shufflenetv2_0.5", config.exp_name)
        images = scan(f"{config.img_path}/val", scan(f"{config.img_path}/train").classes)
        rows = []
        for i in range(len(images)):
            with open(images.name(i), "rb") as file:
                chances = chances_of(file.read(), images.classes, config.seed)
            true, predicted = images.targets[i], int(chances.argmax())
            names = images.classes[true], images.classes[predicted]
            second, first = np.sort(chances)[-2:]
            rank = 1 + int((chances > chances[true]).sum())
            figures = chances[true], chances[predicted], first - second, -float(np.log(chances[true])), rank
            rows.append((images.name(i), *names, *figures, *(chances if self.columns else ())))
        names = [f"p({name})" for name in images.classes] if self.columns else []
        write_csv(run / "predictions.csv", (*COLUMNS, *names), rows)
        write_text(run / "train_config.py", render(config, "A run."))
        facts = {"command": ["tools/cross_validate.py"], "steps_per_epoch": 1, "working_directory": os.getcwd()}
        write_json(run / "environment.json", facts)
        return run


@pytest.fixture
def pretended(monkeypatch):
    """Training is replaced; what it is called with is in `pretended.configs`."""
    found = Pretended()
    monkeypatch.setattr(train, "run", found)
    return found


@pytest.fixture
def validate(tmp_path, capsys):
    """validate(*words) -> (exit status, standard output, standard error, newest folder) of tools/cross_validate.py."""

    def run(*words):
        capsys.readouterr()
        changes = [word for pair in (*SMALL, f"log_root={tmp_path / 'logs'}") for word in ("--set", pair)]
        status = main([*map(str, words), *([] if "--resume" in words else changes)])
        made = sorted(tmp_path.glob("logs/shufflenetv2_0.5/cv*"))
        return status, *capsys.readouterr(), made[-1] if made else None

    return run
