"""Whether runs differ on the images that all of them were judged by."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ..figures.pairs import difference
from ..text import shown
from .saved_answers import PREDICTIONS, read_answers
from .saved_run import names_of_runs

MOST_RUNS = 6  # of which each pair is compared; of more, the others with the first


def compare_answers(folders: Sequence[Path]) -> list[str]:
    """A sentence for each pair of runs: the difference of their accuracies, with its interval and test.

    On test where every run has looked at it, else on the images of the unprefixed tables. Runs without such tables, of
    older versions or not at their end, are left out; empty where fewer than two are left.
    """
    prefix = "test_" if all((folder / f"test_{PREDICTIONS}").is_file() for folder in folders) else ""
    paths = {folder: folder / f"{prefix}{PREDICTIONS}" for folder in folders}
    found = {folder: hits_of(path) for folder, path in paths.items() if path.is_file()}
    names = dict(zip(folders, names_of_runs(folders)))
    pairs = list(combinations(found, 2)) if len(found) <= MOST_RUNS else [(next(iter(found)), run) for run in found][1:]
    return [_sentence(names[one], names[other], found[one], found[other]) for one, other in pairs]


def hits_of(path: Path) -> dict[str, bool]:
    """Path of each image -> whether its predicted class is the true one."""
    answers = read_answers(path)
    return dict(zip(answers.paths, (answers.labels == answers.predicted).tolist()))


def _sentence(name: str, other_name: str, hits: dict[str, bool], other_hits: dict[str, bool]) -> str:
    both = [image for image in hits if image in other_hits]
    title = f"{shown(name)} less {shown(other_name)}"
    if not both:
        return f"{title}: no image in common"
    found = difference(np.array([hits[image] for image in both]), np.array([other_hits[image] for image in both]))
    return f"{title}, {len(both):,} images of both: {found}"
