"""The images whose label is probably wrong, and their table."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from ..errors import DataError
from ..report.saved_answers import SavedAnswers, table_of
from ..tables import write_csv
from .confident import label_errors

SUSPECTS = "suspects.csv"
COLUMNS = ("path", "label", "suggested", "p_label", "p_suggested")


@dataclass(frozen=True)
class Suspect:
    path: str  # absolute where it was found: the files may be moved from another working directory
    label: str
    suggested: str  # the likeliest class
    p_label: float
    p_suggested: float


def find_suspects(held_out: SavedAnswers) -> list[Suspect]:
    """The likeliest errors first."""
    assert held_out.probabilities is not None  # those that are read as held out have them
    found = []
    for i in label_errors(held_out.labels, held_out.probabilities).tolist():
        own = held_out.probabilities[i]
        label = int(held_out.labels[i])
        suggested = int(own.argmax())
        names = held_out.classes[label], held_out.classes[suggested]
        found.append(Suspect(os.path.abspath(held_out.paths[i]), *names, float(own[label]), float(own[suggested])))
    return found


def pairs(suspects: Sequence[Suspect]) -> list[tuple[str, str, int]]:
    """(label, suggested class, suspects), the most frequent first."""
    counts = Counter((suspect.label, suspect.suggested) for suspect in suspects)
    return [(*names, count) for names, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]


def write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    write_csv(path, COLUMNS, map(astuple, suspects))


def is_of_suspects(path: Path) -> bool:
    """Whether the file is a table of suspects."""
    return table_of(path)[:1] == [list(COLUMNS)]


def read_suspects(path: Path) -> list[Suspect]:
    """Those that are left of them. Raises DataError for a row that is no suspect."""
    found = []
    for number, row in enumerate(table_of(path)[1:], 2):
        try:
            name, label, suggested, p_label, p_suggested = row
            found.append(Suspect(name, label, suggested, float(p_label), float(p_suggested)))
        except ValueError:
            raise DataError(f"{path}: row {number}: expected {', '.join(COLUMNS)}") from None
    return found


def check_unedited(path: Path, suspects: Sequence[Suspect], undone: str) -> None:
    """Raises DataError if `path` exists with other rows than these, which somebody's work may be in.

    undone: what is left undone then, in words.
    """
    if not os.path.lexists(path):
        return
    try:
        is_table = is_of_suspects(path)
        if is_table and read_suspects(path) == list(suspects):
            return
    except DataError:  # not even a csv, or with rows of another kind
        is_table = False
    use = f"tools/find_label_errors.py {path} --apply moves the files of its rows; " if is_table else ""
    found = "has other rows than are found now, as it was edited or is of other predictions"
    raise DataError(f"{path}: {found}; {undone}; {use}--overwrite replaces it")
