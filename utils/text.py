"""Names of files and classes as text for people: any name is shown, none can break a line or steer a terminal."""

import difflib
import re
import reprlib
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

CUT, ELLIPSIS = " ... ", "..."


def printable(text: str) -> str:
    r"""`text` with line breaks, control characters and bytes that are no text as escapes: \n, \x1b, \udcff."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(text: str, most: int = 2000) -> str:
    """`text` as `printable` has it; longer than `most`, it loses its middle."""
    half = (most - len(CUT)) // 2
    return printable(text if len(text) <= most else f"{text[:half]}{CUT}{text[-half:]}")


def shown(value: Any, most: int = 200) -> str:
    """repr(value) as far as it is short; where there is none, the type."""
    try:
        return one_line(_Short().repr(value), most)
    except Exception:  # too deep, too many digits, or a class of the user's own
        return f"a value of type {type(value).__name__}"


class _Short(reprlib.Repr):
    """repr that does not follow every branch: lists in lists that share their items have very many."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict = 4, 8
        self.maxlist = self.maxtuple = self.maxset = 12
        self.maxstring = self.maxother = self.maxlong = 200

    def repr1(self, x: Any, level: int) -> str:
        plain = next((kind for kind in (dict, list, tuple, set) if isinstance(x, kind)), None)
        return super().repr1(plain(x) if plain else x, level)


def display_width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shortened(name: str, most: int = 40) -> str:
    """`name` for a cell of a printed table: wider than so many columns of a terminal, it loses its middle."""
    name = printable(name)
    if display_width(name) <= most:
        return name
    head = _beginning(name, (most - len(ELLIPSIS)) // 2)
    tail = _beginning(name[::-1], most - len(ELLIPSIS) - display_width(head))[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def _beginning(text: str, columns: int) -> str:
    """As much of it as so many columns hold."""
    ends = accumulate(map(display_width, text))
    return text[: sum(end <= columns for end in ends)]


def aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table: the first column flush left, the others, numbers mostly, flush right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells)]
    return ["  ".join(_pad(*pair, left=i == 0) for i, pair in enumerate(zip(row, widths))).rstrip() for row in cells]


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names, quoted, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _pad(cell: str, columns: int, *, left: bool) -> str:
    space = " " * (columns - display_width(cell))
    return cell + space if left else space + cell


def natural_order(names: Sequence[str]) -> list[int]:
    """Places of the names as people order them, 2 before 10, where they are sorted as texts are; else as they are."""
    places = range(len(names))
    if any(one > other for one, other in pairwise(names)):
        return list(places)  # the order is someone's own
    return sorted(places, key=lambda place: _natural(names[place]))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key to sort by, in which runs of digits count as numbers."""
    parts = re.split("([0-9]+)", name)  # texts at even places, digits at odd ones
    numbers = (part.lstrip("0") if i % 2 else part for i, part in enumerate(parts))
    return [*((len(part) if i % 2 else 0, part) for i, part in enumerate(numbers)), (0, name)]


def nearest(name: str, choices: Iterable[str]) -> str:
    """`; nearest: 'x'` where a choice resembles `name`, else nothing."""
    near = difflib.get_close_matches(shown(name, 60).strip("'"), list(choices), n=1, cutoff=0.5)
    return f"; nearest: {near[0]!r}" if near else ""
