"""What is asked for, and the folders that it is divided into."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.schema import text
from ..text import shown

MOST = 1000  # folds, and repeats
TEXT = text()


@dataclass(frozen=True)
class FoldRequest:
    """The options of tools/cross_validate.py; its --help explains them."""

    img_path: str
    folds: int | None  # None: as many as there are folders
    repeats: int = 1
    group: str = ""  # a regular expression
    seed: int = 0

    def check(self) -> None:
        """Raises ValueError for what the command line does not take, as a file may say it."""
        expected = {
            "img_path": ("a path", _is_text(self.img_path)),
            "folds": (f"an integer in 2..{MOST}, or null", self.folds is None or _is_integer(self.folds, 2, MOST)),
            "repeats": (f"an integer in 1..{MOST}", _is_integer(self.repeats, 1, MOST)),
            "group": ("a regular expression", _is_text(self.group) and _is_expression(self.group)),
            "seed": ("an integer >= 0", _is_integer(self.seed, 0, 2**53)),
        }
        for name, (what, holds) in expected.items():
            if not holds:
                raise ValueError(f"{name}: expected {what}, got {shown(getattr(self, name))}")


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and TEXT.convert(value) == value
    except ValueError:  # of characters that no path has
        return False


def _is_expression(value: str) -> bool:
    try:
        return re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


@dataclass(frozen=True)
class Division:
    """folders[repeat][fold] has train/<class> and val/<class>."""

    folders: list[list[Path]]
    originals: dict[str, str]  # path of a link -> of the image; without those that are no links
    notes: list[str]  # what was done, where it was done now

    def original(self, path: str) -> str:
        path = os.path.abspath(path)
        return self.originals.get(path, path)
