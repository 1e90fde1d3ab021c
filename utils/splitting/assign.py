"""Which part of a data set an image goes to: arithmetic on labels and groups alone, no files, no random state.

Two steps. `quotas` rounds the wanted share of every class to whole images. `assign` then takes the groups from the
largest to the smallest, equal ones in an order that the seed decides, and gives each to the part that lacks its classes
most; what still lacks a class gets one group of it. Where groups are few, they are then moved and exchanged for as long
as that helps. Groups of one image each fill the quotas exactly. (scikit-learn's StratifiedGroupKFold knows folds only,
has no least count of a class, and its order depends on NumPy's generator.)
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

FEW = 100  # groups; of more, the last ones of the greedy division are small beside the parts
LEAST_GAIN = 1e-9  # of a move: rounding of floats alone must not move a group to and fro


@dataclass(frozen=True)
class Group:
    """Images that stay together. `rank` orders groups of the same size: a hash of the seed and of what they are."""

    counts: dict[int, int]  # class -> images, at least 1
    rank: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(self.counts.values()))


def quotas(counts: Sequence[int] | np.ndarray, shares: Sequence[float], *, train_first: bool) -> np.ndarray:
    """Images of each class (len(counts)) wanted in each part (len(shares)): an integer matrix of (parts, classes).

    Every entry is counts x shares rounded down or up, such that the whole parts come out right too: what rounding takes
    from a part in one class is handed on to the next. A class with an image for each part has at least one in each.
    train_first: the parts are train, val, ...; a class with fewer images than parts is in the first ones.
    """
    wanted = np.zeros((len(shares), len(counts)), dtype=np.int64)
    remainders = np.zeros(len(shares))  # of each part, from the classes before
    for c, count in enumerate(map(int, counts)):
        exact = remainders + np.multiply(shares, count)
        whole = np.floor(np.multiply(shares, count)).astype(np.int64)
        lacking = np.argsort(whole - exact, kind="stable")  # the part that rounding down hurts most comes first
        whole[lacking[: count - whole.sum()]] += 1
        if train_first or count >= len(shares):
            for part in range(min(count, len(shares))):
                if whole[part] == 0:
                    richest = max(range(len(shares)), key=lambda other: (whole[other], other))
                    whole[richest] -= 1
                    whole[part] += 1
        wanted[:, c] = whole
        remainders = exact - whole
    return wanted


def assign(groups: Sequence[Group], wanted: np.ndarray, *, train_first: bool) -> list[int]:
    """The part of each group, an index into the rows of `wanted`, which `quotas` made.

    train_first: a class with a single group is in part 0, train, and never elsewhere alone.
    """
    division = _Division(groups, wanted, train_first=train_first)
    for g in sorted(range(len(groups)), key=lambda g: (-groups[g].size, groups[g].rank)):
        division.put(g, max(range(len(wanted)), key=lambda part: division.gain(g, part)))
    division.fill_gaps()
    if len(groups) <= FEW:
        division.refine()
    return division.parts


class _Division:
    """An assignment in the making. Plain lists, not arrays: a million groups are visited one at a time."""

    def __init__(self, groups: Sequence[Group], wanted: np.ndarray, *, train_first: bool) -> None:
        self.groups, self.train_first = groups, train_first
        self.wanted = wanted.tolist()
        self.totals = wanted.sum(axis=0).tolist()
        self.parts = [-1] * len(groups)
        self.missing = wanted.tolist()  # images still lacking of each class in each part; negative: too many
        self.having: list[Counter[int]] = [Counter() for _ in self.wanted]  # groups of each class in each part

    def gain(self, g: int, part: int) -> float:
        """How much nearer to its quotas `part` comes with group g: the fall of the squared error, classes alike."""
        missing = self.missing[part]
        return math.fsum(n * (2 * missing[c] - n) / self.totals[c] for c, n in self.groups[g].counts.items())

    def put(self, g: int, part: int) -> None:
        if self.parts[g] >= 0:
            self._count(g, self.parts[g], -1)
        self._count(g, part, 1)
        self.parts[g] = part

    def _count(self, g: int, part: int, sign: int) -> None:
        for c, n in self.groups[g].counts.items():
            self.missing[part][c] -= sign * n
            self.having[part][c] += sign

    def fill_gaps(self) -> None:
        """Where a part lacks a class that it should have, move a group there that can be spared."""
        gaps = [(p, c) for p, row in enumerate(self.wanted) for c, n in enumerate(row) if n and not self.having[p][c]]
        if not gaps:
            return
        holders: dict[int, list[int]] = {c: [] for _, c in gaps}
        for g, group in enumerate(self.groups):
            for c in group.counts.keys() & holders.keys():
                holders[c].append(g)
        for part, c in gaps:
            must = self.train_first and part == 0
            spare = [g for g in holders[c] if self.parts[g] != part and (must or self._can_spare(g))]
            if spare and not self.having[part][c]:
                self.put(max(spare, key=lambda g: (self.gain(g, part), self.groups[g].rank)), part)

    def _can_spare(self, g: int) -> bool:
        """Whether the part that has g keeps a group of each of its classes without it."""
        having = self.having[self.parts[g]]
        return all(having[c] > 1 for c in self.groups[g].counts)

    def refine(self) -> None:
        """Move groups, and exchange pairs, while that brings the parts nearer to their quotas and opens no gap."""
        everything = range(len(self.groups))
        parts = range(len(self.wanted))
        changed = any(map(any, self.missing))
        while changed:
            moved = [self._put_if_better((g, part)) for g in everything for part in parts]
            pairs = combinations(everything, 2)
            places = self.parts
            swapped = [self._put_if_better((g, places[h]), (h, places[g])) for g, h in pairs]
            changed = any(moved) or any(swapped)

    def _put_if_better(self, *moves: tuple[int, int]) -> bool:
        """Put each (group, part), unless all of them together bring the parts no nearer, or open a gap."""
        back = [(g, self.parts[g]) for g, _ in moves]
        if any(part == before for (_, part), (_, before) in zip(moves, back)):
            return False
        nearer = math.fsum(self._put_and_gain(g, part) for g, part in moves)
        if nearer > LEAST_GAIN and not any(self._has_gap(g, before) for g, before in back):
            return True
        for g, part in back:
            self.put(g, part)
        return False

    def _put_and_gain(self, g: int, part: int) -> float:
        """The fall of the squared error of both parts."""
        before, gained = self.parts[g], self.gain(g, part)
        self.put(g, part)
        return gained - self.gain(g, before)

    def _has_gap(self, g: int, part: int) -> bool:
        """Whether `part`, which group g has left, now lacks a class of it that it should have."""
        wanted, having = self.wanted[part], self.having[part]
        must = self.train_first and part == 0
        return any((wanted[c] or must) and not having[c] for c in self.groups[g].counts)
