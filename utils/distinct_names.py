"""Names for files of which several would have the same one."""

import unicodedata
from collections.abc import Callable


class DistinctNames:
    """Names that differ, also on systems to which A.png and a.png are one: what is taken gets _2, _3 ..."""

    def __init__(self, exists: Callable[[str], bool] = lambda name: False) -> None:
        """exists: whether there is such a file already, which is never gone later."""
        self._exists = exists
        self._taken: set[str] = set()
        # Of names that got a number, the next one: what is taken stays taken. In this very spelling, since a disk that
        # has A_2.png may have no a_2.png.
        self._next: dict[tuple[str, str], int] = {}

    def add(self, stem: str, ending: str) -> str:
        """stem + ending, or with a number between them; it is taken from now on."""
        number = self._next.get((stem, ending), 1)
        while self._is_taken(name := f"{stem}_{number}{ending}" if number > 1 else stem + ending):
            number += 1
        if number > 1:
            self._next[stem, ending] = number + 1
        self._taken.add(folded(name))
        return name

    def _is_taken(self, name: str) -> bool:
        return folded(name) in self._taken or self._exists(name)


def folded(name: str) -> str:
    """Equal for names that some systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()
