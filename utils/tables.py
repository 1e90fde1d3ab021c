"""Tables as csv files: texts come back as they were, and no spreadsheet takes one for a formula.

All that is written goes through here: UTF-8 without a byte order mark, since to a script that reads plain UTF-8 a mark
is a part of the first column's name; lines end in a line feed. docs/tools.md says how Excel opens them.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from .files import atomic_file

LINE_END = "\r\n"  # of csv.writer
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # the wide forms count in East Asian spreadsheets


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people, whose texts no spreadsheet takes for formulas; read_csv gives them as they were."""
    write_rows(
        path, ([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in chain([header], rows))
    )


def write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """A table for programs: every text as it is."""
    with atomic_file(path) as file:
        csv.writer(_Lines(file), lineterminator=LINE_END).writerows(
            rows
        )  # so that a text with either of the two is quoted


class _Lines:
    """A file for csv.writer, which writes a row at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, row: str) -> None:
        self.file.write(f"{row.removesuffix(LINE_END)}\n".encode("utf-8", "surrogateescape"))


def read_csv(path: Path) -> list[dict[str, str]]:
    header, *rows = read_rows(path) or [[]]
    return [dict(zip(header, row)) for row in rows]


def read_rows(path: Path) -> list[list[str]]:
    """All rows that write_csv wrote, the header first, each text as it was."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return [[as_it_was(cell) for cell in row] for row in csv.reader(file) if row]


def inert(text: str) -> str:
    """`text` for a cell of a csv that people open in a spreadsheet, where it must not run as a formula.

    What begins as a formula does gets an apostrophe in front, which spreadsheets read as "this is text". So does what
    begins with apostrophes and then so, so that the way back is unique.
    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if _FORMULA.match(text) else text


def as_it_was(cell: str) -> str:
    """The text that `inert` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
