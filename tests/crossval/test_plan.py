"""What a cross-validation was asked for, read back from a file that somebody has changed."""

import json

from utils.crossval.run import read_progress
from utils.errors import DataError

import pytest

SOUND = {"img_path": "photos", "folds": 3, "repeats": 1, "group": "", "seed": 0}


def read(folder, request, finished=()):
    (folder / "cross_validation.json").write_text(json.dumps({"request": request, "finished": finished}))
    return read_progress(folder)


def test_a_request_is_read_back(tmp_path):
    request, finished = read(tmp_path, {**SOUND, "folds": None, "group": r"(\d)_"}, ["fold0"])
    assert (request.img_path, request.folds, request.group, finished) == ("photos", None, r"(\d)_", ["fold0"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("img_path", ["photos"]),
        ("img_path", "a\0b"),
        ("img_path", "\ud800"),
        ("folds", "x"),
        ("folds", -3),
        ("folds", 2.5),
        ("folds", True),
        ("repeats", 0),
        ("repeats", 10**9),
        ("group", "("),
        ("group", 1),
        ("seed", -1),
    ],
)
def test_a_request_that_no_command_line_makes_is_an_error_that_names_the_entry(tmp_path, name, value):
    with pytest.raises(DataError, match=rf"cross_validation.json: {name}: expected "):
        read(tmp_path, {**SOUND, name: value})


@pytest.mark.parametrize("finished", ["fold0", {"fold0": 1}, [1], None])
def test_finished_folds_are_a_list_of_names(tmp_path, finished):
    with pytest.raises(DataError, match="finished: expected a list of names"):
        read(tmp_path, SOUND, finished)


@pytest.mark.parametrize("request_", [["photos"], {"folds": 3}, {**SOUND, "more": 1}, None])
def test_what_is_no_request_is_an_error_too(tmp_path, request_):
    with pytest.raises(DataError, match="cross_validation.json: cannot be read: "):
        read(tmp_path, request_)
