"""Which images must stay on one side: those that a pattern names alike, and those that are the same file."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..components import components
from ..data.copies import find_copies
from ..rng import derive_seed
from .assign import Group
from .sources import LabelledFiles


@dataclass(frozen=True)
class Grouping:
    """`group_of[i]` is the place in `groups` of the group that image i belongs to."""

    groups: list[Group]
    group_of: list[int]
    copies: list[list[int]]  # images that are the same file byte for byte, two or more in each list
    matched: int  # images whose name matches the pattern


def group(source: LabelledFiles, pattern: re.Pattern | None, seed: int) -> Grouping:
    """Groups over the whole of `source`, whatever the class. Raises DataError if a file cannot be read."""
    names = [pattern and _group_name(pattern, name) for name in source.names]
    keys = [f"group {name}" if name else f"file {source.label(i)}/{source.names[i]}" for i, name in enumerate(names)]
    copies = find_copies(source.paths)
    group_of = _join(keys, copies)
    counts: dict[int, Counter] = defaultdict(Counter)
    ranks: dict[int, int] = {}
    for g, key, target in zip(group_of, keys, source.targets.tolist()):
        counts[g][target] += 1
        rank = _rank(key, seed)
        ranks[g] = min(rank, ranks.get(g, rank))
    groups = [Group(dict(counts[g]), ranks[g]) for g in range(len(counts))]
    return Grouping(groups, group_of, copies, sum(map(bool, names)))


def _group_name(pattern: re.Pattern, name: str) -> str:
    """The first group of the match, or the whole match; empty where there is none."""
    match = pattern.search(name)
    return (match.group(1 if pattern.groups else 0) or "") if match else ""


def _join(keys: Sequence[str], copies: Sequence[Sequence[int]]) -> list[int]:
    """The group of each image, counted from 0: equal keys are one group, and so are groups that share a copy."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(key, i), i) for i, key in enumerate(keys)]
    return components(len(keys), [*pairs, *((indices[0], i) for indices in copies for i in indices[1:])])


def _rank(key: str, seed: int) -> int:
    """A draw that depends on the seed and the name alone."""
    # macOS may spell the same name with other code points; NFC makes one of them.
    name = unicodedata.normalize("NFC", key).encode("utf-8", "surrogatepass")
    return derive_seed("split", seed, int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little"))
