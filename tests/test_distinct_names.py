"""utils/distinct_names.py: which names files get of which several would have the same one, and at what cost."""

from pathlib import Path

from utils import distinct_names as module
from utils.distinct_names import DistinctNames
from utils.label_errors.moves import plan_moves
from utils.label_errors.suspects import Suspect
from utils.splitting.sources import LabelledFiles
from utils.splitting.write import distinct_names

import numpy as np


def test_names_differ_also_where_case_and_code_points_count_for_nothing():
    names = DistinctNames()
    given = [names.add(stem, ".png") for stem in ("a", "A", "a_2", "a", "A", "\u00e9", "e\u0301", "a")]
    assert given == ["a.png", "A_2.png", "a_2_2.png", "a_3.png", "A_4.png", "\u00e9.png", "e\u0301_2.png", "a_5.png"]
    assert names.add("a", ".jpg") == "a.jpg"


def test_a_file_that_is_there_in_one_spelling_keeps_no_other_from_its_name():
    names = DistinctNames({"A.png", "A_2.png"}.__contains__)
    assert [names.add(stem, ".png") for stem in ("A", "a", "a", "A", "A")] == [
        "A_3.png",
        "a.png",
        "a_2.png",
        "A_4.png",
        "A_5.png",
    ]


def test_classes_that_are_one_folder_on_some_systems_share_no_name():
    """To Windows and macOS Cat and cat are one, to macOS both spellings of an accent too."""
    classes = ("Caf\u00e9", "Cat", "cafe\u0301", "cat", "dog")
    names = [f"{number}/x.png" for number in range(5)]
    source = LabelledFiles("x.csv", classes, np.arange(5), names, names, ["x.png", "x.png", "X.png", "X.png", "x.png"])
    assert distinct_names(source, {}) == ["x.png", "x.png", "X_2.png", "X_2.png", "x.png"]


def counted(monkeypatch, owner, name):
    """The calls of a function, in a list that grows with each."""
    function, calls = getattr(owner, name), []
    monkeypatch.setattr(owner, name, lambda *words: calls.append(words) or function(*words))
    return calls


def test_a_name_of_many_images_is_not_looked_up_from_the_start_each_time(monkeypatch):
    """product0/0.jpg, product1/0.jpg ... of one class, from a csv."""
    paths = [f"product{i}/0.jpg" for i in range(300)]
    source = LabelledFiles("x.csv", ("a",), np.zeros(300, dtype=np.int64), paths, sorted(paths), ["0.jpg"] * 300)
    calls = counted(monkeypatch, module.unicodedata, "normalize")
    assert distinct_names(source, {}) == ["0.jpg", *(f"0_{number}.jpg" for number in range(2, 301))]
    assert len(calls) <= 3 * 300


def test_the_disk_is_not_asked_again_for_a_name_that_is_known_to_be_taken(tmp_path, monkeypatch):
    """Of each class one is to be a bee, and all have one name, which three bees have, too."""
    bees = tmp_path / "bee"
    bees.mkdir()
    for name in ("0.jpg", "0_2.jpg", "0_3.jpg"):
        (bees / name).touch()
    suspects = []
    for i in range(100):
        path = tmp_path / f"class{i}" / "0.jpg"
        path.parent.mkdir()
        path.touch()
        suspects.append(Suspect(str(path), path.parent.name, "bee", 0.1, 0.9))
    calls = counted(monkeypatch, module.unicodedata, "normalize")
    assert [Path(move.target).name for move in plan_moves(suspects).moves] == [f"0_{i}.jpg" for i in range(4, 104)]
    names = [words[1] for words in calls if words[1].startswith(str(bees))]
    assert len(names) <= 3 * 100
