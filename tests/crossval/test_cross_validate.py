"""tools/cross_validate.py: every image once, by a network that never saw it; what is finished is not repeated."""

import json
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

from utils import cli
from utils.figures.intervals import wilson
from utils.report.saved_answers import COLUMNS, read_answers
from utils.run import tracking
from utils.splitting import write
from utils.splitting.create import Request, create
from utils.tables import read_csv, write_csv

import numpy as np
import pytest

import train
from tests.crossval.conftest import Pretended, chances_of, write_pictures
from tools import cross_validate
from tools.find_label_errors import main as find_label_errors


def below(root):
    return sorted(str(path) for path in root.rglob("*.png"))


def tables(folder):
    """What the files of a cross-validation say, but for times."""
    found = json.loads((folder / "cross_validation.json").read_text())
    return (folder / "predictions.csv").read_text(), found["rows"], found["pooled"]


def test_every_image_is_judged_once_by_a_network_that_never_saw_it(photos, pretended, validate):
    status, out, err, folder = validate(photos, "--folds", 3)
    assert (status, err) == (0, "")
    assert [row["path"] for row in read_csv(folder / "predictions.csv")] == below(photos)
    for config in pretended.configs:
        trained, held_out = (below(Path(config.img_path) / split) for split in ("train", "val"))
        assert (len(trained), len(held_out)) == (12, 6)
        assert not {os.stat(path).st_ino for path in trained} & {os.stat(path).st_ino for path in held_out}
    assert all(os.stat(path).st_nlink == 4 for path in below(photos))  # links, no copies
    assert "18 images, each judged by networks that never saw it" in out


def test_predictions_are_those_of_the_fold_and_the_figures_go_with_them(photos, pretended, validate):
    _, out, _, folder = validate(photos, "--folds", 3)
    answers = read_answers(folder / "predictions.csv")
    for path, chances in zip(answers.paths, answers.probabilities):
        assert chances == pytest.approx(chances_of(Path(path).read_bytes(), answers.classes, 0))
    right = int((answers.labels == answers.predicted).sum())
    summary = json.loads((folder / "cross_validation.json").read_text())
    assert summary["working_directory"] == os.getcwd()
    assert summary["pooled"]["accuracy"] == pytest.approx(right / 18)
    interval = wilson(right, 18)
    assert summary["pooled"]["accuracy_interval"] == [interval.low, interval.high]
    by_fold = [row["accuracy"] for row in summary["rows"]]
    assert summary["mean"]["accuracy"] == pytest.approx(np.mean(by_fold))
    assert summary["sd"]["accuracy"] == pytest.approx(np.std(by_fold, ddof=1))
    assert summary["mean"]["log_loss"] == pytest.approx(answers.losses.mean())  # the folds have as many images each
    text = (folder / "cross_validation.txt").read_text()
    assert text in out
    assert text.splitlines()[0].split() == ["fold", "images", "accuracy", "precision", "recall", "F1", "log", "loss"]


def test_repeats_divide_anew_and_the_mean_of_an_image_is_kept(photos, pretended, validate):
    status, out, _, folder = validate(photos, "--folds", 2, "--repeats", 3)
    assert status == 0
    assert [config.seed for config in pretended.configs] == [0, 0, 1, 1, 2, 2]
    division = read_csv(folder / "division.csv")
    assert len({tuple(row[f"fold_{repeat}"] for row in division) for repeat in range(3)}) == 3
    answers = read_answers(folder / "predictions.csv")
    assert answers.paths == below(photos)
    right = []
    for path, label, chances in zip(answers.paths, answers.labels, answers.probabilities):
        each = [chances_of(Path(path).read_bytes(), answers.classes, seed) for seed in range(3)]
        assert chances == pytest.approx(np.mean(each, axis=0))
        right += [found.argmax() == label for found in each]
    pooled = json.loads((folder / "cross_validation.json").read_text())["pooled"]
    assert (pooled["images"], pooled["accuracy"]) == (18, pytest.approx(np.mean(right)))
    assert "2.1" in out


def test_groups_stay_in_one_fold(tmp_path, pretended, validate):
    names = [f"patient{patient}_{number}.png" for patient in range(6) for number in range(2)]
    root = write_pictures(tmp_path / "scans", {"ill": names[:8], "well": names[4:]})
    assert validate(root, "--folds", 3, "--group", r"(patient\d+)_")[0] == 0
    for config in pretended.configs:
        trained, held_out = (
            {path.name.split("_")[0] for path in (Path(config.img_path) / split).rglob("*.png")}
            for split in ("train", "val")
        )
        assert trained.isdisjoint(held_out)


def test_train_and_val_are_taken_together_and_test_is_left_alone(photos, tmp_path, pretended, validate):
    root = tmp_path / "divided"
    for split in ("train", "val", "test"):
        shutil.copytree(photos, root / split)
    for path in root.glob("val/*/*"):  # the same names as in train, and other pictures
        path.write_bytes(path.read_bytes() + b" ")
    _, out, _, folder = validate(root, "--folds", 2)
    assert [row["path"] for row in read_csv(folder / "predictions.csv")] == below(root / "train") + below(root / "val")
    assert f"left out, as it is for the very end: {root / 'test'}" in out


def test_a_csv_is_taken_and_its_paths_are_kept(photos, tmp_path, pretended, validate):
    rows = [(path, Path(path).parent.name) for path in below(photos)]
    write_csv(tmp_path / "labels.csv", ("path", "label"), rows)
    status, _, _, folder = validate(tmp_path / "labels.csv", "--folds", 2)
    assert status == 0
    assert [row["path"] for row in read_csv(folder / "predictions.csv")] == below(photos)


def test_the_folds_of_create_data_are_taken_as_they_are(photos, tmp_path, pretended, validate):
    create(Request(photos, tmp_path / "folds", folds=3))
    status, _, _, folder = validate(tmp_path / "folds")
    assert status == 0
    assert [config.img_path for config in pretended.configs] == [str(tmp_path / "folds" / f"fold{k}") for k in range(3)]
    paths = [row["path"] for row in read_csv(folder / "predictions.csv")]
    assert paths == sorted(str(path) for path in tmp_path.glob("folds/*/val/*/*.png"))
    assert not (folder / "data").exists()
    own = validate(photos, "--folds", 3)[3]
    assert tables(own)[1] == tables(folder)[1]  # it divides as create_data.py does


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folds", "2"], "has 3 folds, fold0 to fold2; expected --folds 2"),
        (["--repeats", "2"], "is divided into folds already, so that --repeats has nothing to divide"),
        (["--group", "x"], "so that --group has nothing to divide"),
    ],
)
def test_made_folds_are_not_divided_again(words, message, photos, tmp_path, pretended, validate):
    create(Request(photos, tmp_path / "folds", folds=3, mode="link"))
    status, _, err, folder = validate(tmp_path / "folds", *words)
    assert (status, folder) == (2, None)
    assert message in err


def test_an_absent_tracker_is_said_before_anything_is_written(photos, pretended, validate, monkeypatch):
    monkeypatch.setattr(tracking, "absent", list)
    status, _, err, folder = validate(photos, "--folds", 2, "--set", "loggers=['clearml']")
    assert (status, folder, pretended.configs) == (2, None, [])
    assert "loggers: 'clearml' needs: python -m pip install clearml" in err


def test_the_command_ends_as_a_training_does_where_a_tracker_hangs(monkeypatch, tmp_path):
    left = []
    monkeypatch.setattr(cli, "leave", left.append)
    monkeypatch.setattr(sys, "argv", ["cross_validate.py", "--resume", str(tmp_path)])
    runpy.run_path(cross_validate.__file__, run_name="__main__")
    assert left == [2]


@pytest.mark.parametrize("words", [["--set", "epoch=2"], ["--folds", "3"], ["--repeats", "2"], ["--weights", "x.pth"]])
def test_what_is_gone_on_with_takes_no_other_options(words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cross_validate.main(["--resume", str(tmp_path), *words])
    assert "expected no other option" in capsys.readouterr().err


def test_what_cannot_be_divided_leaves_no_folder(photos, pretended, validate):
    for path in list((photos / "emu").iterdir())[1:]:
        path.unlink()
    for words, message in (
        ((photos, "--folds", 2), "class 'emu': all images in one fold"),
        ((photos,), "expected --folds K"),
        ((photos, "--folds", 100), "are too few for 100 parts"),
        ((photos / "none", "--folds", 2), "no such folder or csv file"),
        ((photos, "--folds", 2, "--group", "nobody"), "matches none of 13 files"),
        (
            (photos, "--folds", 2, "--set", "only_val=True", "--weights", photos / "cat/0.png"),
            "every fold trains from the start",
        ),
    ):
        status, _, err, folder = validate(*words)
        assert (status, folder) == (2, None), message
        assert message in err
    assert pretended.configs == []


def test_where_links_are_not_possible_the_place_of_the_logs_is_named(photos, pretended, validate, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    for name in ("link", "symlink"):
        monkeypatch.setattr(write.os, name, refused)
    status, _, err, folder = validate(photos, "--folds", 2)
    assert (status, folder) == (2, None)
    assert "links are not possible here, expected log_root on the drive of the pictures" in err


def test_more_classes_than_have_columns_give_the_rows_of_the_first_repeat(photos, monkeypatch, validate):
    monkeypatch.setattr(train, "run", Pretended(columns=False))
    status, _, _, folder = validate(photos, "--folds", 2, "--repeats", 2)
    assert status == 0
    rows = read_csv(folder / "predictions.csv")
    assert [row["path"] for row in rows] == below(photos)
    assert list(rows[0]) == list(COLUMNS)


def test_find_label_errors_reads_its_predictions(photos, pretended, validate, capsys):
    folder = validate(photos, "--folds", 2)[3]
    assert find_label_errors([str(folder / "predictions.csv")]) == 0
    assert "of 18 labels look wrong" in capsys.readouterr().out


def test_a_finished_fold_is_not_repeated_and_one_that_saved_nothing_begins_anew(
    photos, pretended, validate, monkeypatch
):
    whole = tables(validate(photos, "--folds", 3)[3])

    def killed(config, **_):
        if len(pretended.configs) == 4:
            run = Path(config.log_root) / "shufflenetv2_0.5" / "fold1"
            run.mkdir()
            (run / "train.log").touch()
            raise KeyboardInterrupt
        return pretended(config)

    monkeypatch.setattr(train, "run", killed)
    status, out, _, folder = validate(photos, "--folds", 3)
    assert status == 130
    assert f"tools/cross_validate.py --resume {folder} goes on" in out
    assert not (folder / "predictions.csv").exists()
    monkeypatch.setattr(train, "run", pretended)
    assert validate("--resume", folder)[0] == 0
    assert [Path(config.img_path).name for config in pretended.configs[3:]] == ["fold0", "fold1", "fold2"]
    assert [row["path"] for row in read_csv(folder / "predictions.csv")] == below(photos)
    assert tables(folder) == whole


def test_a_fold_without_finite_losses_ends_it_with_the_cause(photos, pretended, validate, monkeypatch):
    def diverged(config, **_):
        run = pretended(config)
        if len(pretended.configs) == 2:
            (run / "predictions.csv").unlink()
        return run

    monkeypatch.setattr(train, "run", diverged)
    status, _, err, folder = validate(photos, "--folds", 3)
    assert status == 1
    assert f"{folder / 'shufflenetv2_0.5' / 'fold1'}: ended without a predictions.csv, as it has no best.pth" in err
    assert "the losses of no epoch were all finite" in err
    assert "smaller init_lr" in err
    assert json.loads((folder / "cross_validation.json").read_text())["finished"] == ["fold0"]
    assert len(pretended.configs) == 2


def test_a_folder_that_is_no_cross_validation_cannot_be_resumed(photos, validate):
    status, _, err, _ = validate("--resume", photos)
    assert status == 2
    assert "no cross_validation.json in it" in err
    for path, what in ((photos / "nowhere", "no such folder"), (photos / "cat/0.png", "a file")):
        status, _, err, _ = validate("--resume", path)
        assert status == 2
        assert f"--resume: '{path}': {what}; expected the folder of a cross-validation" in err


class Terminated:
    """Ends the run after its first epoch, as a job that is stopped."""

    every = 0

    def on_epoch(self, epoch):
        if len(epoch.history) == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_fold_that_was_stopped_goes_on_from_its_last_epoch(photos, validate, monkeypatch):
    """With networks that are trained: the folds of a stopped and resumed command are those of an undisturbed one."""
    real, calls = train.run, []

    def counted(config, **options):
        calls.append(config)
        stopping = [Terminated()] if len(calls) == 4 else []
        return real(config, **options, observers=stopping)

    monkeypatch.setattr(train, "run", counted)
    whole = validate(photos, "--folds", 2)[3]
    assert not list(whole.glob("*/*/last.pth"))  # keep = 'best', as a fold is not trained on
    status, out, err, folder = validate(photos, "--folds", 2)
    assert status == 143
    assert f"tools/cross_validate.py --resume {folder} goes on" in out
    log = (folder / "shufflenetv2_0.5" / "fold1" / "train.log").read_text(encoding="utf-8")
    assert "stopped at step 3" in log
    assert "train.py --resume" not in out + err + log
    assert (folder / "shufflenetv2_0.5" / "fold1" / "last.pth").is_file()
    assert validate("--resume", folder)[0] == 0
    assert [config.resume for config in calls] == [False, False, False, False, True]
    assert tables(folder) == tables(whole)
