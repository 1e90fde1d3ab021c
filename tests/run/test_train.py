"""The main job as a user runs it: train, look into the folder, validate."""

import json
import math
import os
import shutil
from dataclasses import replace

from utils.config import load_train_config
from utils.errors import DataError, DivergedError
from utils.report import run_tables
from utils.run import scoring
from utils.run.observers import Lines
from utils.run.scoring import Scored
from utils.weights.best import Best
from utils.weights.checkpoint import FOR_RESUME, load_checkpoint

import numpy as np
import pytest
import torch
from PIL import Image

import train
from tests.helpers.runs import assert_same_run, results

FILES = """train_config.py environment.json class_indices.json results.txt results.csv best.pth last.pth train.log
    train_val_loss.jpg P_R_F1_per_class.jpg Acc_P_R_F1.jpg scheduler.jpg data_distribution.jpg confusion_matrix.jpg
    most_confused.csv"""


def test_a_run_leaves_every_file_and_counts_up(make_config, pictures):
    config = make_config(epochs=2)
    first = train.run(config)
    second = train.run(config)
    assert (first.name, second.name) == ("exp0", "exp1")
    assert first.parent.name == "shufflenetv2_0.5"
    assert set(FILES.split()) <= {path.name for path in first.iterdir()}
    assert not [path for path in first.iterdir() if path.name.startswith(".")]  # no drafts left
    assert json.loads((first / "class_indices.json").read_text()) == {"0": "ant", "1": "bee", "2": "cow"}
    assert [row["epoch"] for row in results(first)] == ["1", "2"]
    header = (first / "results.csv").read_text().splitlines()[0].split(",")
    wanted = (
        "epoch train_loss val_loss accuracy precision recall f1 lr images_per_second data_wait seconds ema_accuracy"
    )
    assert set(wanted.split()) <= set(header)
    *lines, judged = (first / "results.txt").read_text().splitlines()
    assert judged.startswith("best.pth on val (chosen on): accuracy ")
    assert len(lines) == 3
    assert len(set(map(len, lines))) == 1  # aligned
    assert lines[0].split()[:5] == ["epoch", "accuracy", "precision", "recall", "F1-score"]
    assert_same_run(first, second)  # the same config gives the same run


def test_pictures_are_pictures(make_config, pictures):
    folder = train.run(make_config(epochs=2))
    for picture in folder.glob("*.jpg"):
        with Image.open(picture) as image:
            assert min(image.size) >= 400
            assert np.asarray(image.convert("L")).std() > 5  # not blank


def test_the_saved_config_repeats_the_run(make_config):
    config = make_config(epochs=2)
    folder = train.run(config)
    saved = load_train_config(folder / "train_config.py")
    assert replace(saved, drop_path="auto", dropout="auto") == config  # which were to be found
    assert (saved.drop_path, saved.dropout) == (0.0, 0.0)
    again = train.run(load_train_config("train_config.py", {"config_path": str(folder / "train_config.py")}))
    assert_same_run(folder, again)


def test_the_checkpoint_holds_plain_types_and_bare_names(make_config):
    checkpoint = load_checkpoint(train.run(make_config(epochs=2)) / "last.pth")
    keys = "format net net_ema optimizer scheduler scaler epoch step best history config classes preprocess"
    assert set(keys.split()) <= set(checkpoint)
    assert checkpoint["classes"] == ["ant", "bee", "cow"]
    assert checkpoint["net"].keys() == checkpoint["net_ema"].keys()
    assert not any(name.startswith(("module.", "_orig_mod.")) for name in checkpoint["net"])
    assert checkpoint["preprocess"]["img_size"] == [32, 32]


@pytest.mark.parametrize("averaged", [False, True])
def test_best_pth_holds_the_weights_that_scored_and_nothing_for_a_resume(make_config, averaged, monkeypatch):
    monkeypatch.setattr(
        Scored,
        "best",
        lambda self, epoch, monitor: Best(epoch, 1.0 + (averaged == (self.weights == "net_ema")), 0.0, self.weights),
    )
    folder = train.run(make_config(epochs=1, warmup_epochs=0))
    best = load_checkpoint(folder / "best.pth")
    last = load_checkpoint(folder / "last.pth")
    assert best["weights_of"] == ("averaged" if averaged else "raw")
    scored = last["net_ema" if averaged else "net"]
    assert all(torch.equal(value, scored[name]) for name, value in best["net"].items())
    assert best.keys() & set(FOR_RESUME) == set()
    assert (folder / "best.pth").stat().st_size < (folder / "last.pth").stat().st_size / 2.5


def test_an_epoch_whose_loss_is_no_number_is_never_best(make_config, monkeypatch, capsys):
    def evaluated(*arguments, **options):
        found = evaluate_classes(*arguments, **options)
        epochs.append(found)
        return [replace(each, loss=math.nan) for each in found] if len(epochs) in bad else found

    evaluate_classes, epochs, bad = scoring.evaluate_classes, [], {1, 3}
    monkeypatch.setattr(scoring, "evaluate_classes", evaluated)
    monkeypatch.setattr(Best, "_rank", property(lambda self: (self.epoch,)))
    folder = train.run(make_config(epochs=3, use_ema=False))
    assert load_checkpoint(folder / "best.pth")["epoch"] == 2
    assert load_checkpoint(folder / "last.pth")["best"]["epoch"] == 2
    epochs, bad = [], {1}
    folder = train.run(make_config(epochs=1, warmup_epochs=0, use_ema=False))
    assert not (folder / "best.pth").exists()
    assert "epoch 1: its losses are not all finite, so it is not the best" in capsys.readouterr().out


def test_workers_do_not_change_the_weights(make_config):
    assert_same_run(train.run(make_config(num_workers=0)), train.run(make_config(num_workers=2)))


def test_another_seed_gives_another_run(make_config):
    one, other = (train.run(make_config(epochs=2, seed=seed)) for seed in (0, 1))
    assert results(one)[0]["train_loss"] != results(other)[0]["train_loss"]


def test_no_soft_targets_in_the_last_epochs(make_config, monkeypatch):
    seen = []
    cross_entropy = torch.nn.functional.cross_entropy

    def spy(logits, targets, **options):
        if logits.requires_grad and logits.dtype == torch.float32:  # in float64 a temperature is fitted
            seen.append(targets.is_floating_point())
        return cross_entropy(logits, targets, **options)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", spy)
    train.run(make_config(mixup_prob=0.5, cutmix_prob=0.5, mix_off_epochs=1, epochs=3, num_workers=2))
    per_epoch = len(seen) // 3
    assert all(seen[: 2 * per_epoch])
    assert not any(seen[2 * per_epoch :])


def test_removing_a_val_class_leaves_the_other_rows_alone(make_config, data):
    config = make_config(epochs=1, warmup_epochs=0)
    before = train.run(config)
    shutil.rmtree(data / "val" / "ant")
    after = train.run(config)
    names, _, support = run_tables.read_per_class(after)
    assert names == ["ant", "bee", "cow"]
    assert support.tolist() == [0, 2, 4]
    assert np.array_equal(run_tables.read_confusion(before)[1][1:], run_tables.read_confusion(after)[1][1:])
    assert "ant" in (after / "train.log").read_text()


def test_half_a_jpeg_stops_the_run_and_is_named(make_config, data):
    bad = break_image(data / "train" / "bee" / "half.jpg")
    for workers in (0, 2):
        with pytest.raises(DataError, match=r"half\.jpg") as caught:
            train.run(make_config(epochs=1, warmup_epochs=0, num_workers=workers))
        assert str(bad) in str(caught.value)
        assert "Traceback" not in str(caught.value)


def test_half_a_jpeg_is_left_out_named_and_counted(make_config, data):
    break_image(data / "train" / "bee" / "half.jpg")
    break_image(data / "val" / "bee" / "half.jpg")
    folder = train.run(make_config(epochs=1, warmup_epochs=0, init_lr=1e-3, on_bad_image="skip"))
    log = (folder / "train.log").read_text()
    assert "train/bee/half.jpg" in log.replace(os.sep, "/")
    assert "val/bee/half.jpg" in log.replace(os.sep, "/")
    assert "1 unreadable" in log
    assert run_tables.read_per_class(folder)[2].tolist() == [3, 2, 4]  # not replaced by another image


def break_image(path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize(("batch_size", "accumulate"), [(64, 1), (5, 1), (20, 1), (1, 4)])
def test_odd_batch_sizes_train_with_at_least_one_step(make_config, batch_size, accumulate):
    sizes = dict(img_size=[64, 64], val_resize=[64, 64], batch_size=batch_size, accumulate_steps=accumulate)
    config = make_config(epochs=1, warmup_epochs=0, **sizes)
    checkpoint = load_checkpoint(train.run(config) / "last.pth")
    assert checkpoint["scheduler"]["last_epoch"] >= 1


def test_one_image_that_batchnorm_cannot_learn_from_stops_before_there_is_a_folder(make_config, tmp_path):
    config = make_config(epochs=1, warmup_epochs=0, batch_size=1, accumulate_steps=1)
    with pytest.raises(DataError, match="BatchNorm"):
        train.run(config)
    assert not (tmp_path / "logs").exists()
    train.run(replace(config, freeze_bn=True))  # goes by its averages


def test_one_class_trains_with_a_warning(image_folder, make_config):
    root = image_folder({"train": {"only": 4}, "val": {"only": 2}}, name="single")
    folder = train.run(make_config(img_path=str(root), epochs=1, warmup_epochs=0))
    assert "one class" in (folder / "train.log").read_text()


def test_last_good_state_survives_a_diverging_run(make_config, monkeypatch):
    monkeypatch.setattr(Lines, "on_epoch", lambda *args: None)
    config = make_config(epochs=8, init_lr=1e30, warmup_epochs=0, clip_grad=False, use_ema=False, accumulate_steps=1)
    with pytest.raises(DivergedError, match=r"train.(ant|bee|cow)"):
        train.run(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"amp_dtype": "bfloat16"},
        {"channels_last": False},
        {"optimizer_type": "adamw", "loss_type": "LabelSmoothCELoss", "clip_grad": True},
        {"optimizer_type": "adam", "scheduler_type": "step_lr", "steps": [1], "warmup_epochs": 0},
        {"optimizer_type": "rmsprop", "scheduler_type": "exponential_lr", "warmup_type": "constant"},
        {"cache": "ram", "num_workers": 2, "persistent_workers": False},
        {"augment": "imagenet", "nesterov": True},
    ],
    ids=lambda changes: next(iter(changes)) + "=" + str(next(iter(changes.values()))),
)
def test_each_way_to_train_runs(make_config, changes):
    rows = results(train.run(make_config(epochs=2, **changes)))
    assert all(np.isfinite(float(row["train_loss"])) for row in rows)


def test_only_val_gives_the_figures_of_training(make_config, pictures):
    """Of last.pth, for the raw and the averaged weights; best.pth holds those that scored alone."""
    config = make_config(epochs=2)
    folder = train.run(config)
    again = results(train.run(replace(config, only_val=True, load_from=str(folder / "last.pth"))))[0]
    for name in ("val_loss", "accuracy", "precision", "recall", "f1", "ema_val_loss", "ema_accuracy"):
        assert results(folder)[-1][name] == again[name], name
    validated = train.run(replace(config, only_val=True, load_from=str(folder / "best.pth")))
    best = load_checkpoint(folder / "best.pth")
    prefix = {"raw": "", "averaged": "ema_"}[best["weights_of"]]
    trained = results(folder)[best["epoch"] - 1]
    again = results(validated)[0]
    for name in ("val_loss", "accuracy", "precision", "recall", "f1"):
        assert trained[prefix + name] == again[name], name
    for name in ("per_class.csv", "confusion_matrix.csv", "most_confused.csv"):
        assert (validated / name).read_bytes() == (folder / name).read_bytes()
    assert (validated / "confusion_matrix.jpg").exists()
    assert not (validated / "last.pth").exists()
