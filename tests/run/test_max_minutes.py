"""max_minutes: how many epochs fit, what follows their number, and what a resume counts."""

import errno
import os
from dataclasses import replace

from utils import tables
from utils.config import TrainConfig, load_train_config
from utils.config.rules import train_problems
from utils.data import loaders
from utils.data.cache import ImageCache
from utils.recipe.resolve import resolve
from utils.run.begin import assemble
from utils.run.folder import RunFolder
from utils.run.plan import within_minutes
from utils.run.resume import ResumePoint
from utils.run.splits import read_data
from utils.run.time_limit import TimeLimit, with_epochs
from utils.run.trial import affordable_epochs

import pytest
import torch

import train
from tests.helpers.runs import plain_config, results
from tests.helpers.stopping import resumed, stopped_after
from tests.recipe import golden


def test_a_full_disk_does_not_end_a_run_whose_schedule_is_laid_anew(auto_config, monkeypatch):
    """Its config is written again at the next save, as everything else is."""
    monkeypatch.setattr(TimeLimit, "epochs_in_all", lambda self, finished, planned, seconds: 3)
    write, calls = RunFolder.write_config, []

    def write_config(self, config):
        calls.append(config.epochs)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, config)

    monkeypatch.setattr(RunFolder, "write_config", write_config)
    folder = train.run(auto_config(epochs="auto", max_minutes=0.5))
    assert calls[1:] == [3, 3]
    assert load_train_config(folder / "train_config.py").epochs == len(results(folder)) == 3
    assert "cannot write train_config.py: No space left on device" in (folder / "train.log").read_text(encoding="utf-8")


def test_max_minutes_says_how_many_epochs_there_are(auto_config):
    config = auto_config(epochs="auto", max_minutes=0.08)
    folder = train.run(config)
    rows = results(folder)
    saved = load_train_config(folder / "train_config.py")
    assert 1 <= saved.epochs == len(rows)
    anew = "laid anew" in (folder / "train.log").read_text(encoding="utf-8")
    if saved.epochs > 1 and not anew:  # the machine was as fast as in the trial
        assert float(rows[-1]["lr"]) < 0.1 * saved.init_lr  # the schedule has come to its end
    seconds = [float(row["seconds"]) for row in tables.read_csv(folder / "results.csv")]
    assert sum(seconds[:-1]) < 60 * 0.08  # the last one may end later
    again = train.run(replace(saved, log_root=saved.log_root + "2"))
    assert len(results(again)) == len(rows)  # a repeat has no limit
    assert "max_minutes: without effect" in (again / "train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("left", "finished", "planned", "seconds", "epochs"),
    [
        (100, 1, 11, 10, 11),
        (55, 1, 11, 10, 6),  # too slow
        (5, 4, 11, 10, 4),  # no time for another
        (-5, 4, 11, 10, 4),
        (200, 1, 11, 10, 21),  # faster than expected
        (105, 1, 11, 10, 11),  # by too little for another schedule
        (200, 8, 11, 10, 11),  # the schedule has fallen too far
    ],
)
def test_epochs_follow_the_clock(monkeypatch, left, finished, planned, seconds, epochs):
    monkeypatch.setattr(TimeLimit, "left", left)
    assert TimeLimit(1000, 0.0).epochs_in_all(finished, planned, seconds) == epochs


def test_what_the_clock_leaves_can_be_resumed_and_repeated():
    """The keys that go by epochs follow them."""
    config = plain_config(epochs=40, warmup_epochs=20, freeze_epochs=9, mix_off_epochs=12)
    assert train_problems(vars(with_epochs(config, 2))) == []
    assert with_epochs(config, 30).warmup_epochs == 20
    steps = plain_config(epochs=40, warmup_epochs=2, scheduler_type="step_lr", steps=[8, 30])
    assert with_epochs(steps, 5).epochs == 11
    assert with_epochs(replace(steps, warmup_epochs=2.5), 5).epochs == 12
    one = with_epochs(plain_config(epochs=9, freeze_epochs=3, mix_off_epochs=2, mixup_prob=0.5), 1)
    assert (one.freeze_epochs, one.mix_off_epochs) == (0, 0)  # else a network at random would stay so
    assert train_problems(vars(with_epochs(steps, 5))) == []


def at_speed(seconds):
    """fitting(config): epochs of which one takes so many seconds with pictures of 128, within a minute."""
    return lambda config: max(1, int(60 / seconds * (128 / config.img_size[0]) ** 2))


@pytest.mark.parametrize(
    ("seconds", "sizes", "side", "epochs"),
    [
        (1.0, {}, 128, 60),
        (3.0, {}, 96, 35),
        (60.0, {}, 64, 4),
        (60.0, {"img_size": (128, 128)}, 128, 1),  # what the user sets stays
        (60.0, {"val_resize": (128, 128)}, 128, 1),
    ],
)
def test_max_minutes_shrinks_pictures_so_that_enough_epochs_fit(seconds, sizes, side, epochs):
    config = TrainConfig(img_path=".", max_minutes=1, **sizes)
    facts = within_minutes(config, golden.facts(size=(150, 128)), at_speed(seconds))
    found, rows = resolve(config, facts)
    assert (found.img_size, found.epochs) == ((side, side), epochs)
    why = {row.key: row.why for row in rows}
    assert ("fewer than 30 epochs fit max_minutes = 1" in why.get("img_size", "")) == (side < 128)
    if not sizes:
        assert found.val_resize == found.img_size


def test_max_minutes_leaves_pictures_as_the_weights_expect_them():
    config = TrainConfig(img_path=".", max_minutes=1)
    facts = golden.facts(weights=True)
    assert within_minutes(config, facts, lambda config: 1) == replace(facts, affordable_epochs=1)


def test_pictures_in_memory_are_decoded_once_for_the_trial_and_the_run(make_config, monkeypatch):
    """Those of val anew where they shrink to another size."""
    made = []

    class Counted(ImageCache):
        def __init__(self, images, **options):
            made.append(images)
            super().__init__(images, **options)

    monkeypatch.setattr(loaders, "ImageCache", Counted)
    config = make_config(cache="ram", max_minutes=0.01)
    splits = read_data(config)
    device = torch.device("cpu")
    affordable_epochs(config, splits, device, TimeLimit.begin(config))
    assert made == [splits.train, splits.val]
    smaller = replace(config, img_size=(24, 24), val_resize=(24, 24))
    affordable_epochs(smaller, splits, device, TimeLimit.begin(config))
    assert made == [splits.train, splits.val, splits.val]
    parts = assemble(replace(smaller, epochs=7), splits, device)
    assert len(made) == 3
    images = next(iter(parts.val_loader)).images
    assert torch.equal(images[0], parts.preprocess(splits.val.open(0)))


def test_the_part_of_an_epoch_before_a_resume_counts_for_its_length(auto_config, monkeypatch):
    """Else the rest of an epoch is taken for a whole one, and the schedule is laid for many more."""
    config = auto_config(epochs="auto", max_minutes=0.5)
    monkeypatch.setattr(TimeLimit, "epochs_in_all", lambda self, finished, planned, seconds: 3)
    folder = stopped_after(config, 3, monkeypatch)
    restore, lengths = ResumePoint.restore, []

    def later(self, config, state):
        run_state, folder = restore(self, config, state)
        run_state.progress.seconds += 1000
        return run_state, folder

    monkeypatch.setattr(ResumePoint, "restore", later)
    monkeypatch.setattr(TimeLimit, "epochs_in_all", lambda *given: lengths.append(given[-1]) or 3)
    resumed(config, folder)
    assert lengths[0] > 1000
    assert lengths[1] > 500  # the mean of the first two
