"""What is asked for, and the folders that it is divided into."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.schema import Kind, either, integer, text
from ..errors import DataError
from ..text import shown

MOST = 1000  # folds, and repeats


@dataclass(frozen=True)
class FoldRequest:
    """The options of tools/cross_validate.py; its --help explains them."""

    img_path: str
    folds: int | None  # None: as many as there are folders
    repeats: int = 1
    group: str = ""  # a regular expression
    seed: int = 0


def _expression(value: Any) -> str:
    try:
        re.compile(value)
    except (re.error, TypeError, RecursionError, OverflowError):
        raise ValueError from None
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError


KINDS = {
    "img_path": text(),
    "folds": either(integer(2, high=MOST), Kind("null", _nothing)),
    "repeats": integer(1, high=MOST),
    "group": Kind("a regular expression", _expression),
    "seed": integer(0),
}


def request_from(plain: Mapping[str, Any], path: Path) -> FoldRequest:
    """What json has of one, which anybody may have written. Raises DataError that names the entry of the file `path`;
    KeyError, TypeError for other entries than a request has."""
    values = {}
    for name, value in plain.items():
        kind = KINDS[name]
        try:
            values[name] = kind.convert(value)
        except ValueError:
            raise DataError(f"{path}: {name}: expected {kind.expects}, got {shown(value)}") from None
    return FoldRequest(**values)


@dataclass(frozen=True)
class Division:
    """folders[repeat][fold] has train/<class> and val/<class>."""

    folders: list[list[Path]]
    originals: dict[str, str]  # path of a link -> of the image; without those that are no links
    notes: list[str]  # what was done, where it was done now

    def original(self, path: str) -> str:
        path = os.path.abspath(path)
        return self.originals.get(path, path)
