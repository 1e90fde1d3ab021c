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
