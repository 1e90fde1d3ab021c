"""Names and values that others chose, in messages of ours: on one line, at a bearable length, with no effect on a
terminal."""

import unicodedata
from typing import Any

BREAKING = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a character, line and paragraph separators


def one_line(text: str, most: int = 2000) -> str:
    """`text` with its line breaks, control characters and bytes of no encoding escaped, cut off behind `most`."""
    if not text.isprintable():  # in most messages every character is
        text = "".join(_escape(c) if unicodedata.category(c) in BREAKING else c for c in text[: most + 1])
    return text if len(text) <= most else text[:most] + " ..."


def shown(value: Any, most: int = 200) -> str:
    """repr(value), cut off behind `most`; where there is none, as of an endless list, its type."""
    try:
        return one_line(repr(value), most)
    except Exception:  # too deep, too many digits, or a class of the user's own
        return f"a value of type {type(value).__name__}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
