"""tools/create_data.py: what it refuses, and that it leaves nothing half done and overwrites nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

from utils import files as drafts
from utils.errors import DataError

import pytest

from tests.helpers.divided import TOOL, create, files, numbered
from tools.create_data import main, parse_arguments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,cat\n", "no column 'path'; expected path,label, found 'file', 'label'"),
        ("path;label\na.png;cat\n", "found 'path;label'; ';' parts its columns: save it with commas"),
        ("path,label\nnowhere.png,cat\n", "no such file: 'nowhere.png'"),
        ("path,label\na.png,../cat\n", "label '../cat' cannot be the name of a class folder"),
        ("path,label\na.png,.cat\n", "label '.cat' cannot be"),
        ("path,label\na.png,K\u00e4se\na.png,Ka\u0308se\n", "one has U+00E4, the other U+0061 U+0308; give both one"),
        (
            "path,label\na.png,a\u00a0b\na.png,a b\n",
            "look the same: where they differ, one has U+00A0, the",
        ),
        ("path,label\na.png,@eaDir\n", "label '@eaDir' cannot be"),
        ("path,label\na.png,\n", "label '' cannot be"),
        ("path,label\na.png\n", "line 2: expected a path and a label"),
        ("path,label\nnotes.txt,cat\n", "no images found"),
        ("", "no column 'label', 'path'"),
    ],
)
def test_a_csv_at_fault_is_named(text, message, tmp_path, capsys):
    for name in ("a.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert main([str(tmp_path / "labels.csv"), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(photos, tmp_path, capsys):
    source = photos({"cat": numbered(5)})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "free").mkdir()
    before = files(tmp_path)
    for target in ("full", "file"):
        assert main([str(source), str(tmp_path / target)]) == 2
        assert "nothing is overwritten" in capsys.readouterr().err
    assert main([str(source), str(source / "out")]) == 2
    assert "would be taken for a class" in capsys.readouterr().err
    assert files(tmp_path) == before
    create(source, tmp_path / "free")
    assert len(files(tmp_path / "free")) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--val", "0"], "between 0 and 1"),
        (["--val", "0.6", "--test", "0.4"], "leave nothing for train"),
        (["--folds", "1"], ">= 2"),
        (["--folds", "3", "--val", "0.1"], "do not go with it"),
        (["--link", "--max-side", "64"], "does not go with --link"),
        (["--group", "("], "no regular expression"),
        (["--link", "--copy"], "not allowed with"),
        (["--demo", "digits", "--val", "0.3"], "takes DST alone"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_arguments(["photos", *([] if "--demo" in options else ["out"]), *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_divided_is_said(photos, tmp_path, capsys):
    source = photos({"cat": ["p1_a.png", "p1_b.png"]})
    assert main([str(source), str(tmp_path / "out"), "--group", "p1"]) == 2
    assert "val would be empty: 2 images in 1 groups" in capsys.readouterr().err
    assert main([str(source), str(tmp_path / "out"), "--group", "patient"]) == 2
    assert "matches none of 2 files" in capsys.readouterr().err
    create(source, tmp_path / "deep" / "out")
    assert main([str(tmp_path / "deep" / "out"), str(tmp_path / "out")]) == 2
    assert "is divided already" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    assert sorted(os.listdir(tmp_path)) == ["deep", "photos"]


@pytest.mark.parametrize(
    "folders",
    [
        ["train/cat", "train/dog", "valid/cat"],
        ["Training/cat", "Validation/cat", "testing/cat"],
        ["train/cat", "val/cat", "annotations"],
        ["fold0/train/cat", "fold0/val/cat", "fold1/train/cat", "fold1/val/cat"],
        ["test", "train"],  # pictures without class folders
    ],
)
def test_a_folder_of_splits_is_not_divided_again(folders, photos, tmp_path, capsys):
    assert main([str(photos(dict.fromkeys(folders, numbered(5)))), str(tmp_path / "out")]) == 2
    assert "is divided already, into" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_class_may_be_called_as_a_split_is(photos, tmp_path):
    create(photos({"train": numbered(5), "bus": numbered(5), "test/deep": numbered(5)}), tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out" / "val")) == ["bus", "test", "train"]


def test_an_error_while_writing_leaves_nothing(photos, tmp_path, monkeypatch):
    source = photos({"cat": numbered(9)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert main([str(source), str(tmp_path / "new" / "deep" / "out")]) == 2
    assert os.listdir(tmp_path) == ["photos"]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(signum, photos, tmp_path):
    source = photos({"cat": numbered(40)})
    slow = "import runpy, shutil, signal, sys, time; "
    slow += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored where tests run in the background
    slow += "shutil.copyfile = lambda *_: time.sleep(0.2); "
    slow += "runpy.run_path(sys.argv[0], run_name='__main__')"
    code = f"import sys; sys.argv = {[str(TOOL), str(source), str(tmp_path / 'new' / 'out')]!r}; {slow}"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "new").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signum)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert os.listdir(tmp_path) == ["photos"]


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path):
    def meddle():
        with drafts.DraftFolder(tmp_path / "out") as draft:
            (draft / "mine").touch()
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs").touch()

    with pytest.raises(DataError, match="not empty"):
        meddle()
    assert Counter(path.name for path in tmp_path.rglob("*")) == Counter(["out", "theirs"])
