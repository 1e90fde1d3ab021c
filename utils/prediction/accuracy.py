"""How many predictions are right, where the folders of the images bear the names of classes."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from .predictions import Prediction


def true_class(path: str, folder: Path, classes: Collection[str]) -> str | None:
    """The first folder on the way from `folder` to the image that bears the name of a class."""
    way = Path(os.path.relpath(path, folder)).parts[:-1]
    return next((name for name in way if name in classes), None)


def accuracy_in_words(predictions: Sequence[Prediction], folder: Path, classes: Collection[str]) -> str:
    """'' where no image that was classified lies in such a folder."""
    known = set(classes)
    answers = [(true_class(each.path, folder, known), each.ranked[0][0]) for each in predictions if not each.error]
    labelled = [(true, answer) for true, answer in answers if true is not None]
    if not labelled:
        return ""
    right = sum(true == answer for true, answer in labelled)
    of = f"{len(labelled)} image(s)" + (f" of {len(answers)}" if len(labelled) < len(answers) else "")
    return f"accuracy {right / len(labelled):.4f}: {right} right, by the class folders of {of}"
