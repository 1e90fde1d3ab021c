"""Cross-validations of a project that was renamed."""

from utils.report.saved_answers import read_answers
from utils.tables import read_csv

import pytest

import train
from tests.crossval.conftest import Pretended
from tests.crossval.test_cross_validate import below


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """Call it to rename the folder that all lies in; returns the new one."""
    monkeypatch.chdir(tmp_path)

    def rename():
        target = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}_renamed"))
        monkeypatch.chdir(target.parent)
        return target

    return rename


def test_its_images_are_found(photos, pretended, validate, moved):
    folder = validate("photos", "--folds", 3)[3]
    project = moved()
    answers = read_answers(project / folder.relative_to(photos.parent) / "predictions.csv")
    assert answers.paths == below(project / "photos")


@pytest.mark.parametrize("columns", [True, False])
def test_what_goes_on_there_names_the_images_where_they_are(photos, validate, moved, monkeypatch, columns):
    pretended = Pretended(columns)

    def killed(config, **_):
        if len(pretended.configs) == 1:
            raise KeyboardInterrupt
        return pretended(config)

    monkeypatch.setattr(train, "run", killed)
    status, _, _, folder = validate("photos", "--folds", 3)
    assert status == 130
    project = moved()
    monkeypatch.setattr(train, "run", pretended)
    folder = project / folder.relative_to(photos.parent)
    for _ in range(2):  # the second time, all folds are done
        assert validate("--resume", folder)[0] == 0
        assert [row["path"] for row in read_csv(folder / "predictions.csv")] == below(project / "photos")
        assert len(pretended.configs) == 3
