"""What a table of names is made of, and how it renames keys, either way.

A row (theirs, ours) is a pair of prefixes of keys. `{b}` on both sides is the same number and `{b+1}` the number after
it, so that one table serves both directions: ("block{s}-{b}.proj.", "s{s}.b{b+1}.downsample.").
The first row whose prefix begins a key decides; a key that fits no row keeps its name.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from torch import Tensor

State = Mapping[str, Tensor]
Row = tuple[str, str] | tuple[str, str, tuple[int, ...]]  # (theirs, ours[, shape of theirs behind its first axis])
Test = Callable[[State, str], bool]  # (tensors of a file, its path) -> whether it is what a LookAlike says

_NUMBER = re.compile(r"\{(\w)([+-]\d+)?\}")
_NEVER = "(?!)"


@dataclass(frozen=True)
class Layout:
    """One way in which others name the tensors of a family."""

    name: str  # as people are shown it
    marker: str  # regular expression: a file with such a key is in this layout
    rows: tuple[Row, ...]
    suffixes: tuple[str, ...] = ()  # networks that the library of this name has too: weights can be written for it
    buffers: Callable[[State], dict[str, Tensor]] | None = None  # what its networks store and ours compute
    batchnorm_eps: Mapping[str, float] = field(default_factory=dict)  # suffix -> theirs, where ours differs
    notes: Mapping[str, str] = field(default_factory=dict)  # suffix -> what the user of such a file should know


@dataclass(frozen=True)
class LookAlike:
    """Weights of another network that would load without an error, or nearly so."""

    what: str  # completes "these are weights of ...", and says how that network differs
    seen_in: Test  # the tensors it gets are under the file's names and, renamed, under ours


@dataclass(frozen=True)
class Dialects:
    """The layouts that the weights of one model_prefix come in."""

    own: tuple[str, ...] = ()  # libraries with the same networks under the same names as ours
    marker: str = ""  # regular expression: a key of our own layout; '' is found in any file
    layouts: tuple[Layout, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)  # as of a Layout, for files in our own
    drop: str = _NEVER  # regular expression: buffers that files store and our networks compute

    def layout_of(self, keys: Iterable[str]) -> Layout | None:
        """The layout that has one of the keys as its marker, or None: names as ours."""
        keys = list(keys)
        return next((layout for layout in self.layouts if any_match(layout.marker, keys)), None)


def any_match(pattern: str, keys: Iterable[str]) -> bool:
    return any(re.search(pattern, key) for key in keys)


def has_key(pattern: str) -> Test:
    """Some tensor has a name in which the regular expression is found."""
    return lambda state, source: any_match(pattern, state)


def has_widths(widths: Mapping[str, int]) -> Test:
    """The first axes of the tensors named, by our names, are as long as this."""
    return lambda state, source: all(key in state and len(state[key]) == width for key, width in widths.items())


def is_named(path: str, *, key: str) -> Test:
    """The path of the file says so, and some tensor has a name in which `key` is found; both regular expressions."""
    return lambda state, source: re.search(path, source) is not None and any_match(key, state)


def to_ours(key: str, rows: tuple[Row, ...]) -> str:
    return _rename(key, rows, source=0, target=1)[0]


def to_theirs(key: str, tensor: Tensor, rows: tuple[Row, ...]) -> tuple[str, Tensor]:
    """Their name of our key, and the tensor in the shape that they store."""
    name, row = _rename(key, rows, source=1, target=0)
    if row is not None and len(row) == 3:
        tensor = tensor.reshape(len(tensor), *row[2])
    return name, tensor


def same_values(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a tensor of one shape can be read as the other without moving a value.

    They may differ in axes of one element, as a linear layer that is stored as a 1x1 convolution, and behind the first
    axis of a linear layer that is stored as a convolution over the whole map.
    """
    if [size for size in shape if size != 1] == [size for size in other if size != 1]:
        return True
    one_is_linear = 2 in (len(shape), len(other)) and min(len(shape), len(other)) > 1
    return one_is_linear and shape[0] == other[0] and math.prod(shape) == math.prod(other)


def _rename(key: str, rows: tuple[Row, ...], *, source: int, target: int) -> tuple[str, Row | None]:
    for row in rows:
        sides = row[:2]
        pattern, offsets = _compile(sides[source])
        if match := pattern.match(key):
            numbers = {letter: int(match[letter]) - offset for letter, offset in offsets.items()}
            if min(numbers.values(), default=0) < 0:
                continue
            prefix = _NUMBER.sub(lambda m: str(numbers[m[1]] + int(m[2] or 0)), sides[target])  # noqa: B023
            return prefix + key[match.end() :], row
    return key, None


@cache
def _compile(template: str) -> tuple[re.Pattern[str], dict[str, int]]:
    """The pattern of a row's side, and by how much each of its numbers exceeds its letter."""
    offsets: dict[str, int] = {}
    pattern, end = "", 0
    for number in _NUMBER.finditer(template):
        letter, offset = number[1], int(number[2] or 0)
        group = f"(?P={letter})" if letter in offsets else rf"(?P<{letter}>\d+)"
        if offsets.setdefault(letter, offset) != offset:
            raise ValueError(f"{template!r}: {letter} has two offsets")
        pattern += re.escape(template[end : number.start()]) + group
        end = number.end()
    return re.compile(pattern + re.escape(template[end:])), offsets
