"""Names of files and classes as text for people: any name is shown, none can break a line or steer a terminal."""

import unicodedata
from collections.abc import Sequence


def printable(text: str) -> str:
    r"""`text` with line breaks, control characters and bytes that are no text as escapes: \n, \x1b, \udcff."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def display_width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


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
