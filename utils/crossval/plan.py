"""What is asked for, and the folders that it is divided into."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FoldRequest:
    """The options of tools/cross_validate.py; its --help explains them."""

    img_path: str
    folds: int | None  # None: as many as there are folders
    repeats: int = 1
    group: str = ""  # a regular expression
    seed: int = 0


@dataclass(frozen=True)
class Division:
    """folders[repeat][fold] has train/<class> and val/<class>."""

    folders: list[list[Path]]
    originals: dict[str, str]  # path of a link -> of the image; without those that are no links
    notes: list[str]  # what was done, where it was done now

    def original(self, path: str) -> str:
        path = os.path.abspath(path)
        return self.originals.get(path, path)
