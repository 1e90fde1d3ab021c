"""Names that look the same and differ in their characters: composed and decomposed accents, blanks, invisible ones."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from ..errors import DataError


def look(name: str) -> str:
    """Equal for names that people cannot tell apart: NFC, any blanks as one, none at the ends, nothing invisible.

    (Letters of different alphabets are not looked into.)
    """
    visible = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def check_distinct(where: object, names: Iterable[str]) -> None:
    """Raises DataError if two of the names look the same; `where` says whose names they are."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(look(name), name)
        if other != name:
            raise DataError(
                f"{where}: classes {other!r} and {name!r} look the same: where they differ, one has "
                f"{difference(other, name)}; give both one name"
            )


def same_look(names: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Those of the names that `known` lacks -> the one in `known` that looks the same, where there is exactly one."""
    strangers = set(names) - set(known)
    by_look: dict[str, list[str]] = {}
    for name in known if strangers else ():
        by_look.setdefault(look(name), []).append(name)
    return {name: alike[0] for name in sorted(strangers) if len(alike := by_look.get(look(name), [])) == 1}


def matched(spelled: Mapping[str, str], of: str = "train") -> list[str]:
    """What `same_look` found, a sentence each. of: what has the known names."""
    return [
        f"class {name!r} is taken for {known!r} of {of}, which looks the same: where they differ, one has "
        + difference(name, known)
        for name, known in spelled.items()
    ]


def difference(a: str, b: str) -> str:
    """Between what both begin and end with: U+00E4, the other U+0061 U+0308."""
    start = _length_in_common(a, b)
    a, b = a[start:], b[start:]
    end = _length_in_common(a[::-1], b[::-1])
    return f"{_code_points(a[: len(a) - end])}, the other {_code_points(b[: len(b) - end])}"


def _length_in_common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def _code_points(text: str) -> str:
    return " ".join(f"U+{ord(c):04X}" for c in text) or "nothing"
