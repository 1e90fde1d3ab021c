"""A disk that is full or a quota: reported in one line, what was there stays whole, and the run makes up for it."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from utils.run.folder import RunFolder
from utils.run.saver import Saver
from utils.weights.checkpoint import load_checkpoint, save_checkpoint

import pytest
import torch

from tests.helpers.runs import assert_same_run
from tests.run.faults.injected import all_of, asked_to_stop_at_once, no_room
from tests.run.faults.processes import assert_equal_to_the_end, folder_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such limits on Windows")


def test_a_write_that_fails_for_a_while_is_made_up_for(make_runs, tmp_path):
    """Checkpoints are written after steps 1, 2, 3, then best.pth, then last.pth, and so on in the second epoch."""
    runs = make_runs()
    job = runs.begin(tmp_path / "part", fault=partial(no_room, 3, 6))
    assert job.end() == [0], job.said()
    reported = [line for line in job.said().splitlines() if "cannot write" in line]
    assert len(reported) == 2, reported  # once for each file, however often it failed
    assert "cannot write last.pth: File too large; training goes on, and the next save tries again" in reported[0]
    assert "cannot write best.pth: File too large" in reported[1]
    assert_equal_to_the_end(runs.whole()[0], folder_of(tmp_path / "part"))


def test_a_state_that_cannot_be_saved_at_the_end_is_one_error_and_what_was_there_is_intact(make_runs, tmp_path):
    job = make_runs().begin(tmp_path / "part", fault=partial(no_room, 3, None))
    assert job.end() == [1]
    errors = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, job.said()
    assert "cannot write last.pth: File too large; that of the save before is intact" in errors[0]
    assert "Traceback" not in job.said()
    folder = folder_of(tmp_path / "part")
    assert load_checkpoint(folder / "last.pth")["step"] == 2
    assert load_checkpoint(folder / "previous.pth")["step"] == 1
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_run_that_is_stopped_and_cannot_save_says_so(make_runs, tmp_path):
    fault = partial(all_of, asked_to_stop_at_once, partial(no_room, 1, None))
    job = make_runs().begin(tmp_path / "part", fault=fault)
    assert job.end() == [1]
    assert "error: " in job.said()
    assert "cannot write last.pth: File too large; there is none before" in job.said()
    assert "continues" not in job.said()


def of_an_epoch(weight):
    """A checkpoint of the best epoch so far."""
    best = {"epoch": 1, "accuracy": 1.0, "val_loss": 0.0, "weights": "net"}
    return {"net": {"weight": weight}, "optimizer": {}, "best": best, "history": [{}], "classes": []}


def test_a_best_that_is_pending_is_kept_as_it_was(tmp_path, monkeypatch):
    """The weights of the network move on until there is room."""
    saver = Saver(NoTables(tmp_path))
    weights = torch.zeros(3)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        saver.best(of_an_epoch(weights), None, None)
    assert not (tmp_path / "best.pth").exists()
    weights.fill_(1.0)
    saver.last(of_an_epoch(weights))
    assert load_checkpoint(tmp_path / "best.pth")["net"]["weight"].tolist() == [0, 0, 0]
    assert load_checkpoint(tmp_path / "last.pth")["net"]["weight"].tolist() == [1, 1, 1]


def test_no_older_best_is_taken_for_the_last_state(tmp_path):
    """best.pth of this epoch cannot be written: last.pth holds this epoch all the same."""
    saver = Saver(Full(tmp_path))
    save_checkpoint(tmp_path / "best.pth", {"net": {"weight": torch.zeros(3)}})
    saver.best(of_an_epoch(torch.ones(3)), None, None)
    saver.last(of_an_epoch(torch.ones(3)))
    assert load_checkpoint(tmp_path / "best.pth")["net"]["weight"].tolist() == [0, 0, 0]
    assert load_checkpoint(tmp_path / "last.pth")["net"]["weight"].tolist() == [1, 1, 1]


class NoTables(RunFolder):
    """Of no interest here."""

    def record_best(self, *_):
        pass


class Full(NoTables):
    """A folder with room for everything but best.pth; tables are none of its business."""

    def save(self, name, checkpoint):
        if name == "best.pth":
            raise OSError(28, "No space left on device")
        super().save(name, checkpoint)

    def save_bytes(self, name, content):
        raise OSError(28, "No space left on device")


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(bytes): a file system of that size, where one may be mounted."""
    mounted = []

    def make(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        line = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(line, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_checkpoint_and_no_draft(small_disk):
    folder = small_disk(3_000_000)
    save_checkpoint(folder / "last.pth", {"net": {"weight": torch.zeros(400_000)}})
    before = (folder / "last.pth").read_bytes()
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(folder / "last.pth", {"net": {"weight": torch.ones(400_000)}}, keep=folder / "previous.pth")
    assert (folder / "last.pth").read_bytes() == before
    assert os.listdir(folder) == ["last.pth"]


def ended_for_want_of_room(runs, disk):
    """The job, whose run has ended with one line about the disk; what it has written is sound."""
    job = runs.begin(disk)
    assert job.end() == [1]
    assert job.said().count("error: ") == 1
    assert "No space left on device" in job.said()
    assert "Traceback" not in job.said()
    assert "Logging error" not in job.said()
    for path in disk.glob("*/*/*.pth"):
        load_checkpoint(path)
    return job


@pytest.mark.parametrize("checkpoints", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_run_on_a_small_disk(make_runs, small_disk, tmp_path, checkpoints):
    """With room for so many states of the run; once the disk is larger, the run resumes to the same end."""
    runs = make_runs()
    whole, _ = runs.whole()
    size = (whole / "last.pth").stat().st_size
    disk = small_disk(size * checkpoints + size // 2)
    ended_for_want_of_room(runs, disk)
    shutil.copytree(disk, tmp_path / "larger")
    assert_same_run(whole, runs.finish(tmp_path / "larger"))


@pytest.mark.long
def test_a_disk_with_room_for_the_best_weights_alone(make_runs, small_disk, tmp_path):
    """A new run can start from them; there is no state to resume."""
    runs = make_runs()
    whole, _ = runs.whole()
    disk = small_disk((whole / "last.pth").stat().st_size // 2)
    ended_for_want_of_room(runs, disk)
    [best] = disk.glob("*/*/*.pth")
    assert best.name == "best.pth"
    shutil.copytree(disk, tmp_path / "larger")
    job = runs.go_on(tmp_path / "larger")
    assert job.end() == [2]
    assert "holds weights alone, without the state of a run" in job.said()


@pytest.mark.long
def test_a_disk_with_room_for_every_file_at_once_is_large_enough(make_runs, small_disk):
    """The last state, the one before, the next one beside them, and the weights of the best epoch, a quarter of it."""
    runs = make_runs()
    whole, _ = runs.whole()
    job = runs.begin(small_disk((whole / "last.pth").stat().st_size * 7 // 2))
    assert job.end() == [0]


def test_a_disk_without_any_room_is_one_line(make_runs, small_disk):
    disk = small_disk(8192)
    Path(disk, "full").write_bytes(bytes(4096))
    job = make_runs().begin(disk)
    assert job.end() == [1]
    assert "Traceback" not in job.said()
    assert "error: " in job.said()
    assert "No space left on device" in job.said()
