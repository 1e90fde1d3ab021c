"""How many loading processes there are."""

from dataclasses import replace
from types import SimpleNamespace

from utils.config import TrainConfig
from utils.data import workers
from utils.data.listing import scan
from utils.data.loaders import make_loaders
from utils.data.preprocess import Preprocess
from utils.data.source import Splits
from utils.data.workers import worker_count, workers_for
from utils.run.begin import assemble
from utils.run.splits import read_data
from utils.run.time_limit import TimeLimit
from utils.run.trial import affordable_epochs
from utils.weights.weights_file import WeightsFile

import pytest
import torch

from models import create_model

CPU = torch.device("cpu")
MB = 2**20


@pytest.mark.parametrize(
    ("asked", "device", "processes", "expected"),
    [(0, "cpu", 1, 0), (5, "cpu", 4, 5), ("auto", "cpu", 1, 2), ("auto", "cuda", 1, 16), ("auto", "cuda", 4, 4)],
)
def test_the_number_of_workers(monkeypatch, asked, device, processes, expected):
    monkeypatch.setattr(workers, "available_cores", lambda: 16)
    assert worker_count(asked, torch.device(device), processes) == expected


@pytest.fixture
def shared_memory(monkeypatch, tmp_path):
    """shared_memory(bytes) lets so much be free, as a container may."""
    monkeypatch.setattr(workers, "SHARED_MEMORY", tmp_path)
    return lambda free: monkeypatch.setattr(workers.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


@pytest.mark.parametrize(
    ("free", "batch_size", "processes", "expected"),
    [(64 * MB, 64, 1, 2), (64 * MB, 256, 1, 0), (64 * MB, 64, 2, 1), (2048 * MB, 256, 1, 16), (0, 1, 1, 0)],
)
def test_no_more_than_have_room_for_their_batches(shared_memory, caplog, free, batch_size, processes, expected):
    shared_memory(free)
    config = TrainConfig.plain(num_workers=16, batch_size=batch_size)
    assert workers_for(config, (224, 224), CPU, processes) == expected
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (expected < 16)
    assert all(f"{free // MB} MB free" in text and "--shm-size" in text for text in said)


def test_where_there_is_no_such_folder_the_number_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "SHARED_MEMORY", tmp_path / "none")
    assert workers_for(TrainConfig.plain(num_workers=16, batch_size=4096), (512, 512), CPU, 1) == 16


def test_training_and_validation_load_with_so_many(shared_memory, image_folder):
    root = image_folder({"train": {"ant": 2, "bee": 2}, "val": {"ant": 1, "bee": 1}})
    config = TrainConfig.plain(num_workers=4, batch_size=2, img_size=(32, 32), val_resize=(32, 32))
    shared_memory(6 * 2 * 32 * 32 * 3)  # six batches
    splits = Splits(scan(root / "train"), scan(root / "val"))
    loaders = make_loaders(config, splits, Preprocess.from_config(config), CPU)
    assert [loader.num_workers for loader in loaders] == [2, 2]


def test_too_little_room_is_said_once_where_a_head_is_fitted_first(shared_memory, make_config, caplog, tmp_path):
    torch.save(create_model("shufflenetv2", "0.5", 9).state_dict(), tmp_path / "weights.pth")
    config = make_config(head_init="probe", num_workers=2)
    shared_memory(0)
    assemble(config, read_data(config), CPU, WeightsFile(tmp_path / "weights.pth"))
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if text.startswith("num_workers = 0 instead of 2")]) == 1


def test_too_little_room_is_not_said_in_the_trial_of_max_minutes(shared_memory, make_config, caplog):
    config = make_config(num_workers=2)
    splits = read_data(config)
    shared_memory(0)
    assert affordable_epochs(config, splits, CPU, TimeLimit.begin(replace(config, max_minutes=0.01), None)) >= 1
    assert not [record for record in caplog.records if "num_workers" in record.getMessage()]
    assemble(config, splits, CPU)
    assert len([record for record in caplog.records if "num_workers = 0" in record.getMessage()]) == 1
