"""The lock of a folder; tests/prediction/test_jobs.py and tests/run/faults/test_resume.py have two processes meet."""

import os

from utils.errors import ConfigError
from utils.lock import held

import pytest


def test_a_folder_that_another_command_has_just_removed_is_made_again(tmp_path):
    with held(tmp_path / "parts", "prediction"):
        assert (tmp_path / "parts" / ".lock").is_file()
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_place_that_takes_no_file_is_an_error_and_not_tried_for_ever(tmp_path):
    with pytest.raises(FileNotFoundError), held(tmp_path / "gone" / "folder"):
        pass


@pytest.mark.parametrize("target", ["gone/file", "new", "here"])
def test_a_link_in_its_place_is_named_and_not_followed(tmp_path, target):
    (tmp_path / "here").write_text("as before")
    (tmp_path / ".lock").symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match=r": \S+\.lock is a link in place of the file .*; remove it"), held(tmp_path):
        pass
    assert sorted(os.listdir(tmp_path)) == [".lock", "here"]
    assert (tmp_path / "here").read_text() == "as before"


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ConfigError, match=r": \S+\.lock is a folder in place of .*; remove it"), held(tmp_path):
        pass
