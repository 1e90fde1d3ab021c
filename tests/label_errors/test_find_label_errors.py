"""tools/find_label_errors.py: suspects on a page, files moved and put back, predictions of train refused."""

import json
import os
import re
import shutil
import sys

from utils.config.keys import TrainConfig
from utils.config.schema import render
from utils.errors import DataError
from utils.label_errors import moves
from utils.label_errors.suspects import Suspect
from utils.tables import read_csv, write_csv

import pytest

from tests.label_errors.conftest import CLASSES, contents


@pytest.fixture
def distinct(pictures, predictions):
    """The pictures under names of which no two are the same."""
    table = predictions.read_text()
    for label in CLASSES:
        for number in range(8):
            path = pictures / "val" / label / f"{number}.png"
            path.rename(path.with_name(f"{label}{number}.png"))
            table = table.replace(str(path), str(path.with_name(f"{label}{number}.png")))
    predictions.write_text(table)
    return pictures


def test_suspects_are_listed_with_the_suggested_class_the_likeliest_first(predictions, find):
    status, out, err = find(predictions)
    assert (status, err) == (0, "")
    assert "3 of 24 labels look wrong" in out
    rows = read_csv(predictions.parent / "label_errors" / "suspects.csv")
    found = [(row["path"].split("/")[-2], int(row["path"].split("/")[-1][0]), row["suggested"]) for row in rows]
    assert found == [("cow", 2, "bee"), ("ant", 1, "cow"), ("ant", 0, "bee")]
    assert float(rows[0]["p_label"]) == pytest.approx(0.005)
    assert [float(row["p_suggested"]) for row in rows] == [0.99, 0.985, 0.98]


def test_the_page_shows_each_suspect_and_holds_its_picture(predictions, find):
    find(predictions)
    page = (predictions.parent / "label_errors" / "suspects.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 3
    assert "<b><del>cow</del> → bee</b>" in page
    assert "3 of 24 labels (12.5 %) look wrong" in page
    assert not re.search(r"https?:|<link|@import|url\(", page)
    assert "Content-Security-Policy" in page


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_on_the_page_are_no_markup(predictions, find):
    table = predictions.read_text().replace("p(bee)", "p(<b>bee)")
    predictions.write_text(table.replace(",bee,", ",<b>bee,").replace(",bee,", ",<b>bee,"))  # side by side, too
    find(predictions)
    page = (predictions.parent / "label_errors" / "suspects.html").read_text(encoding="utf-8")
    assert "<b><del>cow</del> → &lt;b&gt;bee</b>" in page


def test_files_are_moved_to_the_suggested_class_and_put_back(distinct, predictions, find):
    before = contents(distinct)
    status, out, _ = find(predictions, "--apply")
    assert status == 0
    assert "moved 3 files" in out
    assert sorted(contents(distinct).values()) == sorted(before.values())
    assert (distinct / "val" / "bee" / "cow2.png").read_bytes() == before["val/cow/cow2.png"]
    assert not (distinct / "val" / "cow" / "cow2.png").exists()
    undo = predictions.parent / "label_errors" / "undo.csv"
    status, out, _ = find("--undo", undo)
    assert (status, out) == (0, "put back 3 files\n")
    assert contents(distinct) == before
    assert find("--undo", undo)[1] == "put back 0 files\n"


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_overwritten(pictures, predictions, find):
    before = contents(pictures)
    assert find(predictions, "--apply")[0] == 0
    after = contents(pictures)
    assert len(after) == len(before)
    assert all(after[name] == content for name, content in before.items() if name in after)
    assert after["val/bee/0_2.png"] == before["val/ant/0.png"]
    assert find("--undo", predictions.parent / "label_errors" / "undo.csv")[0] == 0
    assert contents(pictures) == before


def test_only_the_rows_that_are_left_of_the_suspects_are_moved(pictures, predictions, find):
    find(predictions)
    suspects = predictions.parent / "label_errors" / "suspects.csv"
    lines = suspects.read_text().splitlines()
    suspects.write_text("\n".join(lines[:2]) + "\n")
    status, out, _ = find(suspects, "--apply")
    assert status == 0
    assert "moved 1 files" in out
    assert (pictures / "val" / "bee" / "2_2.png").exists()
    assert (pictures / "val" / "ant" / "0.png").exists()
    status, _, err = find(suspects)
    assert status == 2
    assert "--apply moves" in err


def test_files_are_moved_where_they_were_judged_whatever_the_current_folder(
    pictures, predictions, find, tmp_path, monkeypatch
):
    other = tmp_path / "elsewhere" / "data"
    shutil.copytree(pictures, other)
    before = contents(other)
    predictions.write_text(predictions.read_text().replace(str(pictures), "data"))
    monkeypatch.chdir(tmp_path)
    assert find(predictions)[0] == 0
    monkeypatch.chdir(other.parent)
    assert find(predictions.parent / "label_errors" / "suspects.csv", "--apply")[0] == 0
    assert contents(other) == before
    assert (pictures / "val" / "bee" / "2_2.png").exists()


@pytest.mark.parametrize("call", ["link", "unlink"])
@pytest.mark.parametrize("survived", [0, 1, 2])
def test_interrupted_anywhere_every_file_is_there_and_can_be_put_back(
    call, survived, distinct, predictions, find, monkeypatch
):
    before, calls = contents(distinct), []

    def interrupted(*words, **options):
        calls.extend(words[:1] if str(distinct) in str(words[0]) else [])  # of tables that are written, none counts
        if len(calls) > survived:
            raise KeyboardInterrupt
        return real(*words, **options)

    real = getattr(os, call)
    monkeypatch.setattr(moves.os, call, interrupted)
    assert find(predictions, "--apply")[0] == 130
    assert set(contents(distinct).values()) == set(before.values())
    monkeypatch.setattr(moves.os, call, real)
    undo = predictions.parent / "label_errors" / "undo.csv"
    assert find("--undo", undo)[0] == 0
    assert contents(distinct) == before
    status, out, _ = find(predictions, "--apply")  # and again, under another name of the undo file
    assert status == 0
    assert "undo_1.csv" in out


def test_without_second_names_for_files_they_are_renamed(distinct, predictions, find, monkeypatch):
    def refused(*words, **options):
        raise PermissionError("no links here")

    before = contents(distinct)
    monkeypatch.setattr(moves.os, "link", refused)
    assert find(predictions, "--apply")[0] == 0
    assert (distinct / "val" / "bee" / "cow2.png").exists()
    assert find("--undo", predictions.parent / "label_errors" / "undo.csv")[0] == 0
    assert contents(distinct) == before


def test_putting_back_replaces_no_file_that_has_come_meanwhile(distinct, predictions, find):
    assert find(predictions, "--apply")[0] == 0
    newcomer = distinct / "val" / "ant" / "ant0.png"
    newcomer.write_bytes(b"new")
    (distinct / "val" / "bee" / "cow2.png").unlink()
    undo = predictions.parent / "label_errors" / "undo.csv"
    status, _, err = find("--undo", undo)
    assert status == 2
    assert "1 of 3 files are no longer where they were moved" in err
    assert newcomer.read_bytes() == b"new"
    assert (distinct / "val" / "ant" / "ant1.png").exists()
    (distinct / "val" / "cow" / "cow2.png").write_bytes(b"")
    status, _, err = find("--undo", undo)
    assert "1 of 3 files have another file in their place" in err


def test_a_file_in_no_folder_of_its_label_is_an_error_before_anything_moves(predictions, pictures, find):
    (pictures / "val" / "cow").rename(pictures / "val" / "kine")
    predictions.write_text(predictions.read_text().replace("/cow/", "/kine/"))
    before = contents(pictures)
    status, _, err = find(predictions, "--apply")
    assert status == 2
    assert "lies in no folder named 'cow'" in err
    assert contents(pictures) == before


@pytest.mark.parametrize("name", ["../../../elsewhere", "..", "a\\b", ""])
def test_a_suggestion_that_leads_out_of_the_set_is_refused(name, tmp_path):
    path = tmp_path / "cow" / "1.png"
    path.parent.mkdir()
    path.touch()
    with pytest.raises(DataError, match="is the name of no class; nothing was moved"):
        moves.plan_moves([Suspect(str(path), "cow", name, 0.1, 0.9)])


def save_config(folder, **values):
    (folder / "train_config.py").write_text(render(TrainConfig.plain(**values), "A run."))


def test_predictions_of_train_are_refused_with_the_reason(predictions, find):
    (predictions.parent / "val_results.json").rename(predictions.parent / "train_results.json")
    for words in ((), ("--held-out",)):
        status, _, err = find(predictions, *words)
        assert status == 2
        assert "predictions of train" in err
        assert "knows by heart what it was trained on" in err
        assert "tools/cross_validate.py" in err
    assert not (predictions.parent / "label_errors").exists()


def test_images_of_the_folder_that_the_network_was_trained_on_are_refused(pictures, predictions, find, tmp_path):
    """Whatever split the results beside the table name: only_val names its folder val too."""
    shutil.move(pictures / "val", pictures / "train")
    predictions.write_text(predictions.read_text().replace("/val/", "/train/"))
    trained = tmp_path / "trained"
    trained.mkdir()
    save_config(trained, img_path=str(pictures))
    save_config(predictions.parent, only_val=True, load_from=str(trained / "best.pth"), img_path="elsewhere")
    status, _, err = find(predictions, "--held-out")
    assert status == 2
    assert "24 of its 24 images" in err
    assert "which the network was trained on" in err
    save_config(trained, img_path=str(tmp_path / "others"))
    assert find(predictions)[0] == 0


@pytest.mark.parametrize("relative", ["data", "../data"])
def test_paths_of_the_runs_hold_where_they_were_started(relative, pictures, predictions, find, tmp_path, monkeypatch):
    """Those of the trained network from its working directory, those of its evaluation from another one."""
    shutil.move(pictures / "val", pictures / "train")
    starts = {"trained": tmp_path if relative == "data" else tmp_path / "trained", "run": tmp_path / "run"}
    predictions.write_text(predictions.read_text().replace(str(pictures / "val"), os.path.join("..", "data", "train")))
    (tmp_path / "trained").mkdir()
    for name, start in starts.items():
        (tmp_path / name / "environment.json").write_text(json.dumps({"working_directory": str(start)}))
    save_config(tmp_path / "trained", img_path=relative)
    save_config(predictions.parent, only_val=True, load_from="../trained/best.pth", img_path="elsewhere")
    (tmp_path / "here" / "deep").mkdir(parents=True)
    for place in (tmp_path / "here" / "deep", tmp_path / "run"):
        monkeypatch.chdir(place)
        status, _, err = find(predictions)
        assert status == 2
        assert "24 of its 24 images" in err


def test_predictions_of_train_are_refused_whatever_the_network_was_trained_on(pictures, predictions, find, tmp_path):
    (predictions.parent / "val_results.json").rename(predictions.parent / "train_results.json")
    trained = tmp_path / "trained"
    trained.mkdir()
    save_config(trained, img_path=str(tmp_path / "others"))
    save_config(predictions.parent, only_val=True, load_from=str(trained), split="train", img_path=str(pictures))
    status, _, err = find(predictions)
    assert status == 2
    assert "predictions of train, by train_results.json beside it" in err


def test_a_folder_in_place_of_the_table_is_named_with_the_table_in_it(predictions, find, tmp_path):
    assert f"a folder; expected a csv file, such as {predictions}" in find(predictions.parent)[2]
    (tmp_path / "empty").mkdir()
    assert find(tmp_path / "empty")[2].strip().endswith("a folder; expected a csv file")


def test_a_table_by_itself_is_taken_where_the_user_vouches_for_it(predictions, find, tmp_path):
    alone = tmp_path / "alone" / "predictions.csv"
    alone.parent.mkdir()
    shutil.copy(predictions, alone)
    status, _, err = find(alone)
    assert status == 2
    assert "nothing beside it says" in err
    assert "--held-out says so yourself" in err
    assert find(alone, "--held-out")[0] == 0


def test_the_table_of_test_goes_by_the_results_of_test(predictions, find):
    table = predictions.with_name("test_predictions.csv")
    predictions.rename(table)
    assert find(table)[0] == 2
    (predictions.parent / "test_results.json").write_text("{}")
    assert find(table)[0] == 0
    assert (predictions.parent / "test_label_errors" / "suspects.html").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].pop("true") and rows, "no column 'true'"),
        (lambda rows: [{k: v for k, v in row.items() if k[:2] != "p("} for row in rows], "of up to 100 classes"),
        (lambda rows: rows[:0], "no rows"),
        (lambda rows: [{**rows[0], "true": "bea"}], "row 2: true: 'bea' is none of the classes; nearest: 'bee'"),
        (lambda rows: [rows[0], {**rows[1], "p(bee)": "1.5"}], "row 3: p(<class>) sum to"),
        (lambda rows: [{**rows[0], "p(bee)": "much"}], "expected numbers in the columns"),
        (lambda rows: [{**rows[0], "p(bee)": "nan"}], "row 2: p(<class>) sum to nan"),
    ],
)
def test_another_table_is_an_error_that_says_what_was_expected(change, message, predictions, find):
    rows = read_csv(predictions)
    header = list(rows[0])
    if changed := change(rows):
        header = list(changed[0])
    write_csv(predictions, header, [[row.get(name, "") for name in header] for row in changed])
    status, _, err = find(predictions)
    assert status == 2
    assert message in err
