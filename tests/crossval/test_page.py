"""The page of a cross-validation, and folds that are lists of images."""

import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

from utils.data.preprocess import Preprocess
from utils.run_page.folds import write_fold_report
from utils.run_page.look import Limits
from utils.run_page.read import read_out_of_fold
from utils.splitting.create import Request, create
from utils.tables import read_csv

import numpy as np
import pytest

import train
from models import create_model
from tests.crossval.conftest import Pretended
from tools.report import main as report


def page_of(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page):
    [found] = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_the_page_is_of_all_images_each_by_a_network_that_never_saw_it(photos, pretended, validate):
    status, out, _, folder = validate(photos, "--folds", 3)
    assert status == 0
    assert f"report: {folder / 'report.html'}" in out
    page = page_of(folder)
    rows = read_csv(folder / "predictions.csv")
    right = sum(row["true"] == row["predicted"] for row in rows)
    assert f"<b>{100 * right / 18:.1f} % [" in page
    assert " of 18 out-of-fold pictures are right." in page
    data = data_of(page)
    assert sum(count for count, _ in data["cells"].values()) == 18
    assert len(data["thumbnails"]) == 18  # the images themselves, not the links to them
    assert {image[0] for image in data["images"]} == {str(Path(row["path"]).relative_to(photos)) for row in rows}
    summary = json.loads((folder / "cross_validation.json").read_text())
    for row in (*summary["rows"], summary["mean"], summary["sd"]):
        assert f">{row['accuracy']:.4f}<" in page
    assert f"tools/cross_validate.py {photos} --folds 3 --config {folder / 'train_config.py'}" in page


def test_its_tables_are_those_of_the_out_of_fold_predictions(photos, pretended, validate):
    folder = validate(photos, "--folds", 3)[3]
    rows = read_csv(folder / "predictions.csv")
    found = json.loads((folder / "out_of_fold_results.json").read_text())
    assert found["accuracy"] == pytest.approx(sum(row["true"] == row["predicted"] for row in rows) / 18)
    assert found["log_loss"] == pytest.approx(np.mean([float(row["loss"]) for row in rows]))
    assert "temperature" not in found  # each fold has its own
    run = read_out_of_fold(folder, next(folder.glob("shufflenetv2_0.5/fold0")))
    assert run.classes == ["cat", "dog", "emu"]
    assert run.confusion.sum() == 18
    assert not run.chosen_on


def test_the_command_on_the_page_repeats_it(photos, pretended, validate):
    first = validate(photos, "--folds", 2, "--repeats", 2, "--group", r"^(\d)\.png")[3]
    [command] = re.findall(r"<code>(python tools/cross_validate.py .*?)</code>", page_of(first))
    words = shlex.split(command.replace("&#x27;", "'").replace("&quot;", '"'))[2:]
    assert validate(*words)[0] == 0
    second = sorted(first.parent.glob("cv*"))[-1]
    assert second != first
    tables = [(each / "predictions.csv").read_text() for each in (first, second)]
    assert tables[0] == tables[1]
    assert "a single one is right in" in page_of(first)


def test_what_the_networks_looked_at_is_by_the_network_of_the_fold(photos, pretended, validate, monkeypatch):
    folder = validate(photos, "--folds", 3)[3]
    loaded = []

    def counted(options, device):
        loaded.append(options.weights.parent.name)
        model = create_model("shufflenetv2", "0.5", 3).eval()
        preprocess = Preprocess((32, 32), (32, 32), (0.5,) * 3, (0.5,) * 3)
        return SimpleNamespace(model=model, classes=("cat", "dog", "emu"), preprocess=preprocess)

    monkeypatch.setattr("utils.run_page.attention.load_network", counted)
    assert write_fold_report(folder, Limits(cams=18)) == []
    assert sorted(loaded) == ["fold0", "fold1", "fold2"]  # each once
    assert len(data_of(page_of(folder))["maps"]) == 18


def test_report_writes_it_anew_and_says_what_an_older_folder_lacks(photos, pretended, validate, capsys):
    folder = validate(photos, "--folds", 2)[3]
    (folder / "report.html").unlink()
    assert report([str(folder), "--cam", "0", "--language", "zh"]) == 0
    assert '<html lang="zh"' in page_of(folder)
    (folder / "out_of_fold_results.json").unlink()
    assert report([str(folder)]) == 2
    said = capsys.readouterr().err
    assert f"tools/cross_validate.py --resume {folder} writes it" in said
    assert validate("--resume", folder)[0] == 0
    assert (folder / "out_of_fold_results.json").is_file()
    summary = folder / "cross_validation.json"
    summary.write_text(json.dumps({"rows": [{"fold": 0}]}))
    assert report([str(folder)]) == 2
    assert "cross_validation.json: expected what tools/cross_validate.py writes" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_leaves_the_tables(photos, pretended, validate, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tools.cross_validate.write_fold_report", full)
    status, out, _, folder = validate(photos, "--folds", 2)
    assert status == 0
    assert "report.html: OSError: [Errno 28] No space left on device" in out
    assert (folder / "predictions.csv").is_file()


def test_of_many_classes_there_is_a_page_too(photos, monkeypatch, validate):
    monkeypatch.setattr(train, "run", Pretended(columns=False))
    status, out, _, folder = validate(photos, "--folds", 2)
    assert status == 0
    assert "cannot write" not in out
    assert " of 18 out-of-fold pictures are right." in page_of(folder)
    assert [row["support"] for row in read_csv(folder / "per_class.csv")] == ["6", "6", "6"]


def test_lists_of_create_data_are_folds(photos, tmp_path, pretended, validate):
    create(Request(photos, tmp_path / "lists", folds=3, mode="manifest"))
    status, out, err, folder = validate(tmp_path / "lists")
    assert (status, err) == (0, "")
    assert "3 folds of 18 images, as their lists have them" in out
    assert len(pretended.configs) == 3
    for k, config in enumerate(pretended.configs):
        listed = {
            str((tmp_path / "lists" / f"fold{k}" / row["path"]).resolve())
            for row in read_csv(tmp_path / "lists" / f"fold{k}" / "val.csv")
        }
        held_out = {path.stat().st_ino for path in Path(config.img_path, "val").rglob("*.png")}
        assert held_out == {Path(path).stat().st_ino for path in listed}
    made = validate(photos, "--folds", 3)[3]
    assert read_csv(made / "predictions.csv") == read_csv(folder / "predictions.csv")


def test_lists_that_are_no_folds_are_refused(photos, tmp_path, pretended, validate):
    lists = tmp_path / "lists"
    create(Request(photos, lists, folds=3, mode="manifest"))
    for words, said in (
        (("--folds", 2), "has 3 folds, fold0 to fold2; expected --folds 2"),
        (("--repeats", 2), "--repeats has nothing to divide"),
    ):
        assert validate(lists, *words)[0] == 2
        assert said in validate(lists, *words)[2]
    shutil.copy(lists / "fold0" / "val.csv", lists / "fold1" / "val.csv")
    status, _, err, _ = validate(lists)
    assert status == 2
    assert "is named by two of" in err
    (lists / "fold1" / "val.csv").unlink()
    assert "no 'fold1' beside fold2; expected val.csv in each fold" in validate(lists)[2]
    assert pretended.configs == []


def test_folds_that_train_on_their_own_val_are_refused(photos, tmp_path, pretended, validate):
    create(Request(photos, tmp_path / "folds", folds=3))
    image = next((tmp_path / "folds/fold1/val/cat").iterdir())
    shutil.copy(image, tmp_path / "folds/fold1/train/cat/another_name.png")
    status, _, err, _ = validate(tmp_path / "folds")
    assert status == 2
    assert "fold1: 1 images of val are in train, too" in err
    assert pretended.configs == []
