"""on_bad_image = 'skip': what is left is trained on, in one process or several; nothing left is an error."""

from functools import partial

from utils.data.samplers import shuffled
from utils.errors import DataError
from utils.report import run_tables
from utils.weights.checkpoint import load_checkpoint

import pytest
import torch

import train
from tests.helpers.runs import results
from tests.run.faults.injected import all_of, report_weights, with_scaler
from tests.run.faults.processes import folder_of

SKIP = dict(epochs=1, warmup_epochs=0, init_lr=0.01, on_bad_image="skip", mixup_prob=0.0, cutmix_prob=0.0)


@pytest.fixture
def even(image_folder):
    """24 images in train."""
    return image_folder({"train": {"ant": 12, "bee": 12}, "val": {"ant": 3, "bee": 2}}, name="even")


def spoil(root, places=slice(None), split="train"):
    """Make files unreadable: those at these places of the order of the first epoch, or all. Returns their names."""
    files = sorted((root / split).rglob("*.png"))
    chosen = [files[i] for i in shuffled(len(files))(0, 0)[places].tolist()]
    for path in chosen:
        path.write_bytes(b"no image")
    return [path.name for path in chosen]


@pytest.mark.filterwarnings("error")  # torch has one about a schedule that is ahead
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_run_of_which_no_file_can_be_read_ends_with_an_error_that_names_the_folder(make_config, even, split):
    spoil(even, split=split)
    with pytest.raises(DataError, match=f"no image of {split} can be read") as caught:
        train.run(make_config(**SKIP, img_path=str(even)))
    assert str(even / split) in str(caught.value)


def test_only_val_of_files_none_of_which_can_be_read_is_an_error(make_config, even):
    folder = train.run(make_config(**SKIP, img_path=str(even)))
    spoil(even, split="val")
    with pytest.raises(DataError, match="no image of val can be read"):
        train.run(make_config(**SKIP, img_path=str(even), only_val=True, load_from=str(folder / "best.pth")))


@pytest.mark.parametrize("split", ["train", "val"])
def test_two_processes_that_can_read_nothing_end_alike_with_one_line(make_runs, even, tmp_path, split):
    spoil(even, split=split)
    job = make_runs(ranks=2, **SKIP, img_path=str(even)).begin(tmp_path / "logs")
    assert job.end() == [2, 2], job.said()
    assert [f"no image of {split} can be read" in line for line in job.said().splitlines() if "error:" in line] == [
        True
    ]
    assert "lr_scheduler" not in job.said()


def test_test_of_which_no_file_can_be_read_ends_no_run(make_config, image_folder):
    root = image_folder({split: {"ant": 4, "bee": 4} for split in ("train", "val", "test")}, name="tested")
    spoil(root, split="test")
    folder = train.run(make_config(**SKIP, img_path=str(root)))
    assert "no image of test can be read" in (folder / "train.log").read_text()
    assert not (folder / "test_results.json").exists()


@pytest.mark.filterwarnings("error")
def test_a_first_batch_without_images_is_skipped_without_a_warning(make_config, even):
    spoil(even, slice(0, 8))
    folder = train.run(make_config(**SKIP, img_path=str(even)))
    last = load_checkpoint(folder / "last.pth")
    assert (last["step"], last["scheduler"]["last_epoch"]) == (3, 3)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_that_skip_are_one_of_both_batches(make_config, make_runs, even, tmp_path, accumulate):
    """One rank has no image in the first batch, neither in the last; all statistics are left out of it."""
    spoil(even, slice(1, 8, 2))
    spoil(even, slice(16, 24))
    changes = dict(SKIP, img_path=str(even), accumulate_steps=accumulate, freeze_bn=True)
    single = train.run(make_config(**changes, batch_size=8))
    job = make_runs(ranks=2, **changes, batch_size=4).begin(tmp_path / "two", fault=report_weights)
    assert job.end() == [0, 0], job.said()
    one, other = [line for line in job.said().splitlines() if line.startswith("state ")]
    assert one == other
    both = folder_of(tmp_path / "two")
    assert float(results(both)[0]["train_loss"]) == pytest.approx(float(results(single)[0]["train_loss"]), rel=1e-5)
    ours, theirs = (load_checkpoint(folder / "last.pth") for folder in (both, single))
    assert (ours["step"], ours["scheduler"]["last_epoch"]) == (theirs["step"], theirs["scheduler"]["last_epoch"])
    for name in ("net", "net_ema"):
        for key, value in theirs[name].items():
            assert torch.allclose(ours[name][key].float(), value.float(), atol=1e-5), key
    assert "12 unreadable" in (both / "train.log").read_text()


def test_a_step_in_which_no_rank_has_an_image_leaves_the_scale_of_losses(make_runs, even, tmp_path):
    """It is the last of three. That it leaves the weights, too, the test above has seen."""
    spoil(even, slice(16, 24))
    fault = partial(all_of, partial(with_scaler, 4.0), report_weights)
    runs = make_runs(ranks=2, **SKIP, img_path=str(even), accumulate_steps=1, use_ema=True)
    job = runs.begin(tmp_path / "logs", fault=fault)
    assert job.end() == [0, 0], job.said()
    assert "step skipped" not in job.said()
    last = load_checkpoint(folder_of(tmp_path / "logs") / "last.pth")
    assert (last["step"], last["scaler"]["scale"]) == (3, 4.0)


def test_a_batch_of_which_one_image_is_left_is_left_out_and_said_so(make_config, even):
    names = spoil(even, slice(1, 4))
    folder = train.run(make_config(**SKIP, img_path=str(even), accumulate_steps=1))
    log = (folder / "train.log").read_text()
    assert "readable, but left out: 1, the only image left of its batch" in log
    assert "3 unreadable" in log
    assert "1 left alone" in log
    assert all(name in log for name in names)
    assert run_tables.read_per_class(folder)[2].sum() == 5


@pytest.mark.parametrize("freeze_bn", [False, True])
def test_one_image_left_on_one_of_two_ranks_ends_nothing(make_runs, even, tmp_path, freeze_bn):
    spoil(even, slice(1, 6, 2))
    runs = make_runs(ranks=2, **SKIP, img_path=str(even), accumulate_steps=1, freeze_bn=freeze_bn)
    job = runs.begin(tmp_path / "logs", fault=report_weights)
    assert job.end() == [0, 0], job.said()
    one, other = [line for line in job.said().splitlines() if line.startswith("state ")]
    assert one == other
    assert ("1 left alone" in job.said()) == (not freeze_bn)  # with its averages, BatchNorm takes one
