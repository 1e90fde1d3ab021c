"""Names and values that others chose, in messages: on one line, of bearable length, without effect on a terminal."""

import reprlib
import unicodedata
from typing import Any

BREAKING = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a character, line and paragraph separators
CUT = " ... "


def one_line(text: str, most: int = 2000) -> str:
    """`text` with control characters and bytes of no encoding escaped; longer than `most`, it loses its middle."""
    if len(text) > most:
        half = (most - len(CUT)) // 2
        text = f"{text[:half]}{CUT}{text[-half:]}"
    if text.isprintable():  # as most messages are
        return text
    return "".join(_escape(c) if unicodedata.category(c) in BREAKING else c for c in text)


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


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
