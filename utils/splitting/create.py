"""From the request to the finished folder: read, group, divide, write, and say what was done."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.images import MAX_PIXELS
from ..errors import DataError
from ..files import DraftFolder, check_free
from ..text import listed
from .assign import assign, quotas
from .groups import Grouping, group
from .shrink import shrink_large
from .sources import LabelledFiles, read_source
from .summary import summary
from .write import write_files, write_manifests

BAD_SHOWN = 20


@dataclass(frozen=True)
class Request:
    """The options of tools/create_data.py; its --help explains them."""

    source: Path
    target: Path
    val: float = 0.2
    test: float = 0.0
    folds: int = 0  # 0: train, val and test instead
    seed: int = 0
    pattern: re.Pattern | None = None
    mode: str = "copy"  # "copy", "link" or "manifest"
    max_side: int | None = None
    on_bad_image: str = "error"  # "error" or "skip"
    encoding: str = ""  # of a csv; empty: UTF-8
    max_pixels: int = MAX_PIXELS  # of an image that is decoded; a larger one is refused

    @property
    def shares(self) -> dict[str, float]:
        """Name -> share of the images, of the parts that do not overlap."""
        if self.folds:
            return {f"fold{k}": 1 / self.folds for k in range(self.folds)}
        shares = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: share for name, share in shares.items() if share > 0}


def create(request: Request) -> list[str]:
    """Write request.target, which appears whole or not at all; returns what was done as lines of text.

    Raises DataError for images that cannot be divided so, or a target that exists.
    """
    _check_places(request)
    source = read_source(request.source, request.encoding)
    with DraftFolder(request.target) as draft:
        copies: dict[int, str] = {}
        notes: list[str] = []
        scratch = draft / ".shrunk"
        if request.max_side:
            source, copies, notes = _shrunk(request, source, scratch, request.max_side)
        grouping = grouped(source, request)
        parts = divide(source, grouping, request)
        if request.mode == "manifest":
            write_manifests(draft, source, splits_of(parts, request.folds))
        else:
            write_files(draft, source, splits_of(parts, request.folds), copies, request.mode)
        shutil.rmtree(scratch, ignore_errors=True)
    return [*summary(source, grouping, parts, request.shares, with_groups=request.pattern is not None), *notes]


def grouped(source: LabelledFiles, request: Request) -> Grouping:
    """Raises DataError for a pattern that matches no file."""
    grouping = group(source, request.pattern, request.seed)
    if request.pattern and not grouping.matched:
        raise DataError(f"--group {request.pattern.pattern!r} matches none of {len(source)} files")
    return grouping


def divide(source: LabelledFiles, grouping: Grouping, request: Request) -> dict[str, list[int]]:
    """Part -> its images, in order. Raises DataError if a part would have none."""
    shares = request.shares
    wanted = quotas(source.counts(), list(shares.values()), train_first=not request.folds)
    chosen = assign(grouping.groups, wanted, train_first=not request.folds)
    parts: dict[str, list[int]] = {name: [] for name in shares}
    names = list(shares)
    for i, g in enumerate(grouping.group_of):
        parts[names[chosen[g]]].append(i)
    if empty := [name for name, images in parts.items() if not images]:
        have = f"{len(source)} images in {len(grouping.groups)} groups"
        problem = f"{request.source}: {empty[0]} would be empty: {have} are too few for {len(names)} parts"
        raise DataError(problem + _of_the_pattern(source, grouping, request))
    return parts


def _of_the_pattern(source: LabelledFiles, grouping: Grouping, request: Request) -> str:
    """Which classes are whole groups, where a pattern made them."""
    groups: dict[int, set[int]] = {}
    for target, g in zip(source.targets.tolist(), grouping.group_of):
        groups.setdefault(target, set()).add(g)
    whole = [source.classes[target] for target, found in sorted(groups.items()) if len(found) == 1]
    if not request.pattern or not whole:
        return ""
    return f"; --group {request.pattern.pattern!r} makes one group of all images of {listed(whole)}"


def splits_of(parts: dict[str, list[int]], folds: int) -> dict[str, Sequence[int]]:
    """The folders to write: the parts themselves, or fold<k>/val with fold k and fold<k>/train with all else."""
    if not folds:
        return dict(parts)
    splits: dict[str, Sequence[int]] = {}
    for name, images in parts.items():
        splits[f"{name}/train"] = sorted(i for other in parts if other != name for i in parts[other])
        splits[f"{name}/val"] = images
    return splits


def _check_places(request: Request) -> None:
    source = request.source.resolve()
    target = request.target.resolve()
    if not source.exists():
        raise DataError(f"{request.source}: no such folder or csv file")
    if request.encoding and source.is_dir():
        raise DataError(f"{request.source}: is a folder; --encoding is that of a csv")
    check_free(target)
    if source.is_dir() and source in (target, *target.parents):
        raise DataError(f"{request.target}: lies in {request.source}, where it would be taken for a class")


def _shrunk(
    request: Request, source: LabelledFiles, scratch: Path, max_side: int
) -> tuple[LabelledFiles, dict[int, str], list[str]]:
    """(the readable images, image -> smaller copy, notes). Raises DataError if one is unreadable, unless skipped."""
    copies, reasons = shrink_large(source, scratch, max_side, request.max_pixels)
    bad = [f"{source.paths[i]}: {reason}" for i, reason in reasons.items()]
    more = [f"and {len(bad) - BAD_SHOWN} more"] if len(bad) > BAD_SHOWN else []
    if bad and request.on_bad_image == "error":
        message = f"{len(bad)} unreadable images; --on-bad-image skip leaves them out:"
        raise DataError(message, *bad[:BAD_SHOWN], *more)
    kept = source.without(list(reasons))
    if not len(kept):
        raise DataError(f"{request.source}: none of its {len(source)} images can be read")
    places = {old: new for new, old in enumerate(i for i in range(len(source)) if i not in reasons)}
    notes = [f"shrunk {len(copies)} images to at most {max_side} pixels a side"]
    notes += [f"left out {len(bad)} unreadable images:", *bad] if bad else []
    return kept, {places[i]: copy for i, copy in copies.items()}, notes
