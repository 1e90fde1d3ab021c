"""Figures of a prediction of many images, counted one image after the other."""

from collections.abc import Collection
from pathlib import Path

from ..errors import DataError
from .accuracy import true_class
from .predictions import NO_NUMBER, Prediction


class Tally:
    """How many were classified, and how many are right, where the folders of the images bear the names of classes."""

    def __init__(self, folder: Path, classes: Collection[str]) -> None:
        """folder: what the images have in common."""
        self.folder, self.classes = folder, set(classes)
        self.own = folder.name if folder.name in self.classes else None  # a class folder by itself
        self.classified = self.unread = self.without = self.rejected = self.labelled = self.right = 0
        self.first: Prediction | None = None

    def add(self, prediction: Prediction) -> None:
        self.first = self.first or prediction
        if prediction.error:
            self.without += prediction.error == NO_NUMBER
            self.unread += prediction.unread
            return
        if prediction.rejected:
            self.rejected += 1
            return
        self.classified += 1
        true = true_class(prediction.path, self.folder, self.classes) or self.own
        self.labelled += true is not None
        self.right += true == prediction.answer

    def in_words(self) -> str:
        """How many were classified, how many not, and why."""
        parts = [f"{self.classified} classified"]
        parts += [f"{self.rejected} rejected"] if self.rejected else []
        parts += [f"{self.unread} unreadable"]
        parts += [f"{self.without} without an answer, as the network's is no number"] if self.without else []
        return ", ".join(parts)

    def accuracy_in_words(self) -> str:
        """'' where no image that was classified lies in a folder named like a class, be it `folder` itself."""
        if not self.labelled:
            return ""
        of = f"{self.labelled} image(s)" + (f" of {self.classified}" if self.labelled < self.classified else "")
        of += " that are not rejected" if self.rejected else ""
        return f"accuracy {self.right / self.labelled:.4f}: {self.right} right, by the class folders of {of}"

    def check_some_classified(self) -> None:
        """Raises ImageError with the error of the one prediction, or DataError with the first, if every one has one."""
        if self.first is not None and not self.classified + self.rejected:
            if (count := self.unread + self.without) == 1:
                self.first.check()
            raise DataError(f"none of {count} image(s) could be classified; {self.first.path}: {self.first.error}")
