"""The lock of a folder; tests/prediction/test_jobs.py and tests/run/faults/test_resume.py have two processes meet."""

from utils.lock import held


def test_a_folder_that_another_command_has_just_removed_is_made_again(tmp_path):
    with held(tmp_path / "parts", "prediction"):
        assert (tmp_path / "parts" / ".lock").is_file()
    assert list((tmp_path / "parts").iterdir()) == []
