"""What create_data did, as lines of text."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..text import aligned, listed, printable, shortened
from .groups import Grouping
from .sources import LabelledFiles

SHOWN = 10  # sets of copies named
FAR = 0.05  # share of all images by which a part may miss what was asked for before it is said


def summary(
    source: LabelledFiles,
    grouping: Grouping,
    parts: Mapping[str, Sequence[int]],
    shares: Mapping[str, float],
    *,
    with_groups: bool,
) -> list[str]:
    """Lines: images of each class in each part, what is incomplete, copies, and labels in conflict.

    shares: of the images, that were asked for.
    with_groups: a column with the number of groups that each class has.
    """
    counts = {
        name: np.bincount(source.targets[images], minlength=len(source.classes)) for name, images in parts.items()
    }
    columns = {"images": source.counts(), **({"groups": _groups(source, grouping)} if with_groups else {}), **counts}
    names = map(shortened, source.classes)
    rows = [[name, *(int(column[c]) for column in columns.values())] for c, name in enumerate(names)]
    total = [len(source), *([len(grouping.groups)] if with_groups else []), *(len(images) for images in parts.values())]
    percent = ["", *[""] * (len(columns) - len(parts) - 1), *(f"{len(i) / len(source):.1%}" for i in parts.values())]
    lines = aligned([["class", *columns], *rows, ["all", *total], ["", *percent]])
    return [
        *lines,
        *source.notes,
        *_unmatched(source, grouping, with_groups),
        *(_far(parts, shares, len(source)) if with_groups else []),
        *_gaps(source, counts),
        *_copies(source, grouping),
    ]


def _groups(source: LabelledFiles, grouping: Grouping) -> np.ndarray:
    """Number of groups with images of each class."""
    return np.bincount([c for group in grouping.groups for c in group.counts], minlength=len(source.classes))


def _unmatched(source: LabelledFiles, grouping: Grouping, with_groups: bool) -> Iterator[str]:
    if with_groups and (rest := len(source) - grouping.matched):
        yield f"{rest} files do not match --group: each is a group of its own"


def _far(parts: Mapping[str, Sequence[int]], shares: Mapping[str, float], total: int) -> Iterator[str]:
    """Parts that miss their share by far, which whole groups can bring about."""
    found = {name: len(images) / total for name, images in parts.items()}
    if any(abs(found[name] - share) > max(FAR, 1 / total) for name, share in shares.items()):
        has, asked = (", ".join(f"{name} {share:.0%}" for name, share in each.items()) for each in (found, shares))
        yield f"{has}, where {asked} were asked for: groups are kept whole"


def _gaps(source: LabelledFiles, counts: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Which classes are missing where, and classes whose names some systems take for one."""
    for part, images in counts.items():
        if absent := [name for name, count in zip(source.classes, images) if not count]:
            yield f"{part} has no images of {listed(absent)}: too few images or groups of it"
    if "fold0" in counts:
        everywhere = np.stack(list(counts.values())) > 0
        if alone := [name for name, n in zip(source.classes, everywhere.sum(axis=0)) if n == 1]:
            yield f"{listed(alone)}: all images in one fold, whose train lacks the class: training refuses that fold"
    spellings = defaultdict(list)
    for name in source.classes:
        spellings[name.casefold()].append(name)
    for names in spellings.values():
        if len(names) > 1:
            yield f"classes {listed(names)} differ in case only: one folder on Windows and macOS"


def _copies(source: LabelledFiles, grouping: Grouping) -> Iterator[str]:
    if not grouping.copies:
        return
    extra = sum(len(images) - 1 for images in grouping.copies)
    yield f"duplicates: {extra} files are copies of others byte for byte; copies stay together:"
    yield from _named(source, grouping.copies)
    conflicts = [images for images in grouping.copies if len({source.targets[i] for i in images}) > 1]
    if conflicts:
        pairs = Counter(" and ".join(sorted({source.label(i) for i in images})) for images in conflicts)
        yield f"labels in conflict: {len(conflicts)} pictures have two or more labels ({_most(pairs)}); keep one each:"
        yield from _named(source, conflicts)


def _named(source: LabelledFiles, sets: Sequence[Sequence[int]]) -> Iterator[str]:
    for images in sets[:SHOWN]:
        more = f" = {len(images) - 4} more" if len(images) > 4 else ""
        yield printable("  " + " = ".join(f"{source.label(i)}: {source.names[i]}" for i in images[:4]) + more)
    if len(sets) > SHOWN:
        yield f"  and {len(sets) - SHOWN} more"


def _most(pairs: Counter) -> str:
    return printable(", ".join(f"{names} {count}" for names, count in pairs.most_common(3)))
