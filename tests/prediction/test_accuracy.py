"""The true class of an image, by the folders on its way."""

import ntpath
from pathlib import Path
from types import SimpleNamespace

from utils.prediction import accuracy
from utils.prediction.predictions import Prediction
from utils.prediction.tally import Tally


def test_the_first_folder_named_like_a_class_counts():
    assert accuracy.true_class("/data/old/cat/dog/1.png", Path("/data"), ["cat", "dog"]) == "cat"
    assert accuracy.true_class("/data/cat", Path("/data"), ["cat"]) is None


def test_images_on_two_drives_are_counted_without_a_true_class(monkeypatch):
    monkeypatch.setattr(accuracy, "os", SimpleNamespace(path=ntpath))
    tally = Tally(Path("C:\\"), ["cat"])
    tally.add(Prediction("D:\\cat\\1.png", [("cat", 0.9)]))
    assert (tally.in_words(), tally.accuracy_in_words()) == ("1 classified, 0 unreadable", "")
