"""The end of a run: best.pth over val, calibrated, and over test, which is opened once and by nothing before."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from utils.prediction import Classifier
from utils.report.run_tables import read_confusion, read_results
from utils.run import final
from utils.run.final import conclude
from utils.run.known import Knowing
from utils.signals import Stopped
from utils.tables import read_csv
from utils.weights.checkpoint import load_checkpoint

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn

import train
from tests.helpers.stopping import resumed

COUNTS = {"train": {"ant": 7, "bee": 6, "cow": 8}, "val": {"ant": 3, "bee": 2, "cow": 4}}
TABLES = ("per_class.csv", "confusion_matrix.csv", "predictions.csv", "roc.csv", "pr.csv", "reliability.csv")
opened = None  # called with each path that is opened, while a test wants it


def hook(event, arguments):
    if event == "open" and opened is not None:
        opened(str(arguments[0]))


sys.addaudithook(hook)


@pytest.fixture
def config(make_config, image_folder):
    root = image_folder({**COUNTS, "test": {"ant": 4, "bee": 3, "cow": 2}}, name="three")
    return make_config(img_path=str(root), epochs=2, init_lr=0.003)


def figures(folder, split):
    return json.loads((folder / f"{split}_results.json").read_text())


def test_test_is_opened_once_and_after_the_last_epoch(config, monkeypatch, tmp_path):
    seen = []

    def watch(path):
        if "/three/test/" in path:
            [table] = tmp_path.glob("logs/*/exp0/results.csv")
            seen.append((path, len(table.read_text().splitlines()) - 1))

    monkeypatch.setattr(sys.modules[__name__], "opened", watch)
    train.run(config)
    monkeypatch.undo()
    paths, epochs = zip(*seen)
    assert set(epochs) == {2}
    assert len(paths) == len(set(paths)) == 9


def test_the_figures_are_those_of_scikit_learn_on_the_rows_of_the_table(config):
    folder = train.run(config)
    for split, prefix, images in (("val", "", 9), ("test", "test_", 9)):
        rows = read_csv(folder / f"{prefix}predictions.csv")
        found = figures(folder, split)
        names = ["ant", "bee", "cow"]
        true, predicted = [row["true"] for row in rows], [row["predicted"] for row in rows]
        scores = np.array([[float(row[f"p({name})"]) for name in names] for row in rows])
        assert len(rows) == images == len({row["path"] for row in rows})
        assert all(f"/three/{split}/{row['true']}/" in row["path"] for row in rows)
        expected = {
            "accuracy": sklearn.accuracy_score(true, predicted),
            "f1": sklearn.f1_score(true, predicted, average="macro", zero_division=0),
            "balanced_accuracy": sklearn.balanced_accuracy_score(true, predicted),
            "cohens_kappa": sklearn.cohen_kappa_score(true, predicted),
            "matthews_coefficient": sklearn.matthews_corrcoef(true, predicted),
            "macro_auc": sklearn.roc_auc_score(true, scores, multi_class="ovr"),
            "log_loss": sklearn.log_loss(true, scores),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
        low, high = found["accuracy_interval"]
        assert low < found["accuracy"] < high
        table = (folder / f"{prefix}confusion_matrix.csv").read_text()
        assert sum(int(cell) for line in table.splitlines()[1:] for cell in line.split(",")[1:]) == images
    matrix = read_confusion(folder)[1]
    rows = read_csv(folder / "predictions.csv")
    assert matrix[2, 1] == sum(row["true"] == "cow" and row["predicted"] == "bee" for row in rows)
    text = (folder / "results.txt").read_text()
    assert text.count("best.pth on val (chosen on): accuracy") == text.count("best.pth on test: accuracy") == 1


def test_every_door_gives_the_same_figures_of_best_pth(config):
    folder = train.run(config)
    results = read_results(folder)
    assert figures(folder, "val")["accuracy"] == max(*results["accuracy"], *results["ema_accuracy"])
    assert [figures(folder, split)["chosen_on"] for split in ("val", "test")] == [True, False]
    for split, prefix in (("val", ""), ("test", "test_")):
        again = train.run(replace(config, only_val=True, split=split, load_from=str(folder / "best.pth")))
        assert figures(again, split) == figures(folder, split)
        for name in (
            "per_class.csv",
            "confusion_matrix.csv",
            "predictions.csv",
            "roc.csv",
            "pr.csv",
            "reliability.csv",
        ):
            assert (again / name).read_text() == (folder / f"{prefix}{name}").read_text(), name
    assert load_checkpoint(folder / "best.pth")["temperature"] == figures(folder, "val")["temperature"] != 1
    row = read_csv(folder / "test_predictions.csv")[0]
    name, probability = Classifier(folder / "best.pth").predict(row["path"])[0]
    assert name == row["predicted"]
    assert probability == pytest.approx(float(row["p_predicted"]), abs=1e-5)


def test_without_calibration_probabilities_are_as_the_network_has_them(config):
    folder = train.run(replace(config, calibrate=False, epochs=1, warmup_epochs=0))
    assert load_checkpoint(folder / "best.pth").get("temperature", 1.0) == 1.0
    assert figures(folder, "val")["log_loss"] == figures(folder, "val")["uncalibrated_log_loss"]


def test_only_val_on_train(config):
    folder = train.run(replace(config, epochs=1, warmup_epochs=0))
    again = train.run(replace(config, only_val=True, split="train", load_from=str(folder / "best.pth")))
    assert figures(again, "train")["images"] == 21
    assert not figures(again, "train")["chosen_on"]
    assert all("/three/train/" in row["path"] for row in read_csv(again / "predictions.csv"))


def test_a_run_that_is_stopped_in_between_concludes_when_it_is_resumed(config, monkeypatch):
    whole = train.run(config)

    def stopped(*_):
        monkeypatch.setattr("utils.run.trainer.conclude", conclude)
        raise Stopped(15)

    monkeypatch.setattr("utils.run.trainer.conclude", stopped)
    with pytest.raises(Stopped):
        train.run(config)
    part = resumed(config, whole.parent / "exp1")
    for name in ("val_results.json", "test_results.json", "predictions.csv", "test_predictions.csv", "results.txt"):
        assert (part / name).read_text() == (whole / name).read_text(), name


def test_unreadable_images_of_test_are_named_and_left_out_and_end_no_training(config):
    assert config.on_bad_image == "error"
    bad = Path(config.img_path) / "test" / "ant" / "00.png"
    bad.write_bytes(b"no picture")
    shutil.rmtree(bad.parents[1] / "cow")
    folder = train.run(replace(config, epochs=1, warmup_epochs=0))
    assert f"{bad.parents[1]}: no images of cow: support 0 in the tables" in (folder / "train.log").read_text()
    assert figures(folder, "test")["images"] == 6
    assert figures(folder, "test")["unreadable"] == [str(bad)]
    assert str(bad) in (folder / "train.log").read_text()


def test_best_pth_is_judged_by_its_own_preprocessing_whatever_a_resumed_run_has(config):
    folder = train.run(replace(config, epochs=1, warmup_epochs=0))
    names = "val_results.json", "test_results.json", "predictions.csv"
    before = [(folder / name).read_text() for name in names]
    state = load_checkpoint(folder / "best.pth")
    changes = dict(resume=True, load_from=str(folder / "last.pth"), mean=(0.1, 0.1, 0.1), img_size=(40, 40))
    train.run(replace(config, epochs=1, warmup_epochs=0, val_resize=(44, 44), **changes))
    assert [(folder / name).read_text() for name in names] == before
    after = load_checkpoint(folder / "best.pth")
    assert after["temperature"] == state["temperature"]
    assert torch.equal(after["known"]["features"], state["known"]["features"])


def test_an_image_of_train_that_is_gone_at_the_end_ends_no_training(config, monkeypatch):
    see_train = Knowing.see_train

    def without_one(self, train, *given):
        Path(train.root, train.paths[0]).unlink()
        see_train(self, train, *given)

    monkeypatch.setattr(Knowing, "see_train", without_one)
    folder = train.run(replace(config, epochs=1, warmup_epochs=0))
    assert load_checkpoint(folder / "best.pth")["known"]


def test_an_image_that_the_epochs_have_left_out_is_not_named_again_at_the_end(config):
    bad = Path(config.img_path) / "val" / "ant" / "00.png"
    bad.write_bytes(b"no picture")
    folder = train.run(replace(config, epochs=1, warmup_epochs=0, on_bad_image="skip"))
    assert figures(folder, "val")["unreadable"] == [str(bad)]
    assert (folder / "train.log").read_text().count(f"left out, cannot be read: {bad}") == 1


@pytest.mark.parametrize(("workers", "on_bad_image"), [(0, "error"), (1, "error"), (0, "skip")])
def test_an_image_of_val_that_is_gone_at_the_end_is_named_and_ends_no_training(config, workers, on_bad_image):
    config = replace(config, epochs=1, warmup_epochs=0, num_workers=workers, on_bad_image=on_bad_image)
    folder = train.run(config)
    bad = Path(config.img_path) / "val" / "ant" / "00.png"
    bad.write_bytes(b"no picture")
    train.run(replace(config, resume=True, load_from=str(folder / "last.pth")))  # which only concludes
    assert figures(folder, "val")["unreadable"] == [str(bad)]
    assert f"left out, cannot be read: {bad}" in (folder / "train.log").read_text()


def test_two_classes_have_the_threshold_of_val(make_config, image_folder):
    tree = {split: {"no": 6, "yes": 4} for split in ("train", "val", "test")}
    root = image_folder(tree, name="two")
    folder = train.run(make_config(img_path=str(root), epochs=1, warmup_epochs=0))
    assert figures(folder, "test")["threshold"] == figures(folder, "val")["threshold"]
    rows = read_csv(folder / "test_predictions.csv")
    taken = [float(row["p(yes)"]) >= figures(folder, "val")["threshold"] for row in rows]
    expected = sklearn.f1_score([row["true"] == "yes" for row in rows], taken, zero_division=0)
    assert figures(folder, "test")["f1_at_threshold"] == pytest.approx(expected, abs=1e-12)


def test_seconds_of_the_conclusion_are_kept_free():
    class Some(list):
        pass

    class Splits:
        val = Some(range(10))
        test = Some(range(30))

    assert final.seconds_of_conclusion(Splits, 8.0, 2) == pytest.approx(16.0)
