"""Names and values that others chose, in messages of ours: on one line, at a bearable length, with no effect on a
terminal."""

import unicodedata
from typing import Any

BREAKING = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a character, line and paragraph separators


def one_line(text: str, most: int = 2000) -> str:
    """`text` with control characters and bytes of no encoding escaped; one above `most` loses its middle."""
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    if text.isprintable():  # as most messages are
        return text
    return "".join(_escape(c) if unicodedata.category(c) in BREAKING else c for c in text)


def shown(value: Any, most: int = 200) -> str:
    """repr(value), which loses its middle above `most`; where there is none, as of an endless list, its type."""
    try:
        return one_line(repr(value), most)
    except Exception:  # too deep, too many digits, or a class of the user's own
        return f"a value of type {type(value).__name__}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
