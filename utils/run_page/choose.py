"""Which images the page names, and of which it has pictures, the most telling first."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np

from .answers import Answers

LISTED = 24  # of the most confident mistakes, of the highest losses and of doubted labels
OF_CELL, OF_RIGHT = 24, 6  # images of a cell of the matrix that are named: mistakes, right answers
MOST_NAMED = 20_000  # images of all cells together


@dataclass(frozen=True)
class Chosen:
    """Places of images in the answers. cells: (true, predicted) -> the images named of it, the surest mistake first."""

    confident: list[int]
    losses: list[int]
    doubted: list[int]
    cells: dict[tuple[int, int], list[int]]

    def in_order(self) -> list[int]:
        """Each image once, as they should be read while there is room."""
        lists = chain(self.confident[:LISTED], self.losses[:LISTED], self.doubted[:LISTED], _in_turns(self.cells))
        return list(dict.fromkeys(lists))


def choose(answers: Answers) -> Chosen:
    wrong = np.flatnonzero(answers.wrong)
    surest = wrong[np.argsort(-answers.p_predicted[wrong], kind="stable")]
    doubted = answers.doubted()
    return Chosen(
        surest[:LISTED].tolist(),
        np.argsort(-answers.loss, kind="stable")[:LISTED].tolist(),
        [int(i) for i in surest if doubted[i]][:LISTED],
        _cells(answers, surest),
    )


def _cells(answers: Answers, surest: np.ndarray) -> dict[tuple[int, int], list[int]]:
    """By falling count, mistakes before right answers; of these the least sure."""
    right = np.flatnonzero(~answers.wrong)
    right = right[np.argsort(answers.p_true[right], kind="stable")]
    cells: dict[tuple[int, int], list[int]] = {}
    for order, most in ((surest, OF_CELL), (right, OF_RIGHT)):
        for i in order.tolist():
            members = cells.setdefault((int(answers.true[i]), int(answers.predicted[i])), [])
            if len(members) < most:
                members.append(i)
    confusion = answers.confusion()
    by_count = sorted(cells, key=lambda cell: (cell[0] == cell[1], -confusion[cell], cell))
    return _at_most({cell: cells[cell] for cell in by_count}, MOST_NAMED)


def _at_most(cells: dict[tuple[int, int], list[int]], most: int) -> dict[tuple[int, int], list[int]]:
    """The same with `most` images in all, or a few more: as many of each cell as leaves room for the others."""
    total = sum(map(len, cells.values()))
    if total <= most:
        return cells
    share = max(1, most // len(cells))
    return {cell: members[:share] for cell, members in list(cells.items())[:most]}


def _in_turns(cells: dict[tuple[int, int], list[int]]) -> Iterator[int]:
    """The first image of each cell, then the second of each, and so on; mistakes before right answers."""
    for diagonal in (False, True):
        members = [found for cell, found in cells.items() if (cell[0] == cell[1]) == diagonal]
        for turn in zip_longest(*members):
            yield from (i for i in turn if i is not None)
