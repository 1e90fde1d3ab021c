"""Files moved to the folders of other classes, and back. No file is ever replaced, and at no moment is one missing."""

import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from ..data.lookalikes import look
from ..distinct_names import DistinctNames
from ..errors import DataError
from ..report.saved_answers import table_of
from ..tables import write_csv
from ..text import listed, shown
from .suspects import Suspect

COLUMNS = ("from", "to")


@dataclass(frozen=True)
class Move:
    """Absolute paths."""

    source: str
    target: str


@dataclass(frozen=True)
class Plan:
    moves: list[Move]
    gone: list[str]  # paths at which there is no file (any more)


def plan_moves(suspects: Sequence[Suspect]) -> Plan:
    """Each file to the folder of its suggested class, beside that of its label; a name that is taken gets _2, _3 ...

    Raises DataError for a file that lies in no folder of its label, as those of a csv may.
    """
    moves, gone = [], []
    targets = DistinctNames(os.path.lexists)
    for suspect in {suspect.path: suspect for suspect in suspects}.values():
        source = os.path.abspath(suspect.path)
        if not os.path.lexists(source):
            gone.append(suspect.path)
            continue
        stem, ending = os.path.splitext(_in_class(source, suspect))
        moves.append(Move(source, targets.add(stem, ending)))
    return Plan(moves, gone)


def _in_class(path: str, suspect: Suspect) -> str:
    """The path of the file in the folder of its suggested class. Raises DataError where it lies in none of its label.

    Of several folders of that name the one counts that has the other class beside it, else the deepest.
    """
    if suspect.suggested in ("", ".", "..") or set("/\\\0") & set(suspect.suggested):
        raise DataError(f"{path}: suggested: {suspect.suggested!r} is the name of no class; nothing was moved")
    parts = path.split(os.sep)
    places = [i for i in range(len(parts) - 2, 0, -1) if look(parts[i]) == look(suspect.label)]
    if not places:
        missing = f"lies in no folder named {suspect.label!r}, whose neighbour {suspect.suggested!r} it could move to"
        raise DataError(f"{path}: {missing}; nothing was moved")
    beside = {i: _folder_like(os.sep.join(parts[:i]), suspect.suggested) for i in places}
    place = next((i for i in places if beside[i]), places[0])
    return os.sep.join([*parts[:place], beside[place] or suspect.suggested, *parts[place + 1 :]])


def _folder_like(parent: str, name: str) -> str:
    """The folder in `parent` that is called so, perhaps in other code points; '' where there is none."""
    if os.path.isdir(os.path.join(parent, name)):
        return name
    return next((other for other in sorted(os.listdir(parent or os.sep)) if look(other) == look(name)), "")


def write_moves(path: Path, moves: Sequence[Move]) -> None:
    """What `undo` needs, to be written before the first file is moved."""
    write_csv(path, COLUMNS, map(astuple, moves))


def read_moves(path: Path) -> list[Move]:
    """Raises DataError for another table."""
    header, *rows = table_of(path) or [[]]
    if header != list(COLUMNS) or any(len(row) != len(COLUMNS) for row in rows):
        raise DataError(f"{path}: expected the undo file of an earlier --apply, with columns {', '.join(COLUMNS)}")
    return [Move(*row) for row in rows]


def apply_moves(moves: Sequence[Move]) -> None:
    """Raises DataError at the first file that cannot be moved; those before it stay where they are by then."""
    for move in moves:
        _move(move.source, move.target)


def undo_moves(moves: Sequence[Move]) -> int:
    """Put back what was moved, also where applying or undoing was interrupted; returns how many files that were.

    Raises DataError for files that cannot go back, after all others have: for want of a file, or since another one has
    their place.
    """
    states = [(move, _state(move)) for move in reversed(moves)]
    for move, state in states:
        if state == "moved":
            _move(move.target, move.source)
        elif state == "half":
            os.unlink(move.target)
    if lost := [move.target for move, state in states if state == "gone"]:
        raise DataError(f"{len(lost):,} of {len(moves):,} files are no longer where they were moved: {listed(lost)}")
    if blocked := [move.source for move, state in states if state == "blocked"]:
        raise DataError(f"{len(blocked):,} of {len(moves):,} files have another file in their place: {listed(blocked)}")
    return sum(state in ("moved", "half") for _, state in states)


def _state(move: Move) -> str:
    """'moved', 'half' (the file has both names), 'back' (it is where it was), 'blocked' or 'gone'."""
    here = os.path.lexists(move.source)
    there = os.path.lexists(move.target)
    if not there:
        return "back" if here else "gone"
    if not here:
        return "moved"
    return "half" if os.path.samestat(os.lstat(move.source), os.lstat(move.target)) else "blocked"


def _move(source: str, target: str) -> None:
    """The second name comes before the first one goes. Raises DataError, and replaces nothing."""
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not _linked(source, target):
            if os.path.lexists(target):
                raise FileExistsError(None, "exists already", target)
            os.rename(source, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{shown(source)}: cannot be moved to {shown(target)}: {reason}") from None


def _linked(source: str, target: str) -> bool:
    """Whether `target` could be made a second name of the file, of which then the first one went."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no second names on this file system
        return False
    os.unlink(source)
    return True
