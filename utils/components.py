"""Connected components of a graph."""

from array import array
from collections.abc import Iterable

import numpy as np


class UnionFind:
    """Sets of the nodes 0 .. count - 1, at first one of each node."""

    def __init__(self, count: int) -> None:
        self._parents = array("q", range(count))

    def join(self, i: int, j: int) -> None:
        self._parents[self.root(j)] = self.root(i)

    def root(self, i: int) -> int:
        """The node that represents the set of node i."""
        parents = self._parents
        while parents[i] != i:
            parents[i] = i = parents[parents[i]]
        return i

    def roots(self) -> np.ndarray:
        """(count,) int64, `root` of each node."""
        parents = np.array(self._parents)
        while not np.array_equal(parents, above := parents[parents]):
            parents = above
        return parents


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The component of each node 0 .. count - 1, `pairs` being the edges; components count from 0 in order."""
    sets = UnionFind(count)
    for i, j in pairs:
        sets.join(i, j)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(sets.root(i), len(numbers)) for i in range(count)]
