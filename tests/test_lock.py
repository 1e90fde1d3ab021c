"""The lock of a folder; tests/prediction/test_jobs.py and tests/run/faults/test_resume.py have two processes meet."""

from utils.lock import held

import pytest


def test_a_folder_that_another_command_has_just_removed_is_made_again(tmp_path):
    with held(tmp_path / "parts", "prediction"):
        assert (tmp_path / "parts" / ".lock").is_file()
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_place_that_takes_no_file_is_an_error_and_not_tried_for_ever(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "gone" / "file")
    with pytest.raises(FileNotFoundError), held(tmp_path):
        pass
