"""Paths of a run whose working directory was another one."""

import json

from utils.report.saved_answers import from_here

import pytest


@pytest.mark.parametrize("name", ["environment.json", "cross_validation.json"])
def test_relative_paths_start_where_the_run_did_as_long_as_that_is_there(tmp_path, monkeypatch, name):
    old, new = tmp_path / "old", tmp_path / "new"
    for project in (old, new):
        (project / "data").mkdir(parents=True)
        (project / "data" / "a.png").touch()
    (new / name).write_text(json.dumps({"working_directory": str(old)}))
    paths = ["data/a.png", "data/gone.png", str(tmp_path / "b.png")]
    there = [str(old / "data" / "a.png"), str(old / "data" / "gone.png"), str(tmp_path / "b.png")]
    monkeypatch.chdir(new)
    assert from_here(paths, new) == there
    old.rename(tmp_path / "renamed")
    (tmp_path / "b.png").touch()  # says nothing of where the others are
    here = ["data/a.png", "data/gone.png", there[2]]
    assert from_here(paths, new) == here
    assert from_here([str(old / "data" / "a.png")], new) == here[:1]  # absolute, of the old place
    monkeypatch.chdir(tmp_path)
    run = new / "logs" / "resnet_18" / "exp0"
    run.mkdir(parents=True)
    (new / name).rename(run / name)
    assert from_here(paths, run) == [str(new / "data" / "a.png"), str(new / "data" / "gone.png"), there[2]]
    assert from_here(["data/gone.png"], run) == there[1:2]


def test_paths_of_a_moved_run_are_looked_for_where_it_lies_before_here(tmp_path, monkeypatch):
    """Another project with pictures of the same names may be here; the old folder may be there, and a class be gone."""
    old, moved, other = (tmp_path / name for name in ("old", "moved", "other"))
    run = moved / "logs" / "exp0"
    run.mkdir(parents=True)
    for project in (moved, other):
        (project / "data").mkdir(parents=True)
        (project / "data" / "b.png").touch()
    old.mkdir()
    (run / "environment.json").write_text(json.dumps({"working_directory": str(old)}))
    monkeypatch.chdir(other)
    gone = [f"data/gone{i}.png" for i in range(50)]
    assert from_here([*gone, "data/b.png"], run)[-1] == str(moved / "data" / "b.png")
    monkeypatch.chdir(moved)
    assert from_here(["data/b.png"], run) == ["data/b.png"]
    elsewhere = tmp_path / "disk" / "logs"
    elsewhere.parent.mkdir()
    (moved / "logs").rename(elsewhere)
    (moved / "logs").symlink_to(elsewhere)
    monkeypatch.chdir(other)
    assert from_here(["data/b.png"], run) == [str(moved / "data" / "b.png")]
    (moved / "data" / "b.png").unlink()
    assert from_here(["data/b.png"], run) == ["data/b.png"]  # of a container, which has the data here
