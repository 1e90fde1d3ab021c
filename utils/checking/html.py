"""The findings as one html page that needs nothing beside it: bars, tables, and thumbnails as data URIs."""

import os
from collections.abc import Iterator, Sequence

from ..data.images import read_image
from ..errors import ImageError
from ..page.document import document, more
from ..page.markup import Html, join, tag
from ..page.parts import Column, bar, bullets, image, table, thumbnail
from ..page.plot import COLOURS as MOST_COLOURS
from .findings import Alike, File, Findings, by_weight, concerns, spoilers
from .inspect import UNREADABLE
from .sizes import kinds, size_histogram, typical_sizes

SETS_SHOWN, FILES_SHOWN, ROWS_SHOWN = 40, 5, 100  # sets, files of a set or kind with a thumbnail, files in a list
COLOURS = {"train": 0, "val": 4, "test": 2, "": 0}  # of the page's; folds take one after the other
TABLE = "files.csv"  # which has all files


def html_report(findings: Findings) -> str:
    """The whole page. Names of files and classes are shown as text, whatever they hold."""
    title = f"{findings.root.resolve().name}: {len(findings.files):,} images of {len(findings.classes)} classes"
    parts = [*_verdict(findings), *_classes(findings), *_sets(findings), *_problems(findings), *_sizes(findings)]
    where = tag("h1", title), tag("p", str(findings.root.resolve()), class_="small")
    return document(title, join([*where, *parts]), language="en")


def _verdict(findings: Findings) -> Iterator[Html]:
    spoils = list(spoilers(findings))
    if spoils:
        yield tag("div", tag("b", "This would spoil a training"), bullets(spoils), class_="verdict bad")
    else:
        yield tag("div", tag("b", "Nothing found that would spoil a training"), class_="verdict good")
    if looks := [*concerns(findings), *findings.notes]:
        yield join([tag("h2", "Worth a look"), bullets(looks)])


def _classes(findings: Findings) -> Iterator[Html]:
    """A row for each class: its images in each split as numbers and as one bar."""
    counts = findings.counts
    labels = findings.classes
    most = max([1, *(int(sum(images)) for images in zip(*counts.values()))])
    colours = {split: COLOURS.get(split, place % MOST_COLOURS) for place, split in enumerate(counts)}
    keys = [join([tag("i", class_=f"key c{colours[split]}"), f" {split} "]) for split in counts if split]
    imbalance = f"the most frequent class has {findings.imbalance():.1f} times the images of the rarest in "
    yield tag("h2", "Images of each class")
    yield tag("p", *keys, f"{imbalance}{findings.balanced or 'the set'}", class_="small")
    headings = ["class", *(split or "images" for split in counts), "share"]
    columns = [Column(Html(name), numeric=name in (*counts, "images")) for name in headings]
    rows = []
    for c, label in enumerate(labels):
        pieces = [(int(count[c]) / most, colours[split]) for split, count in counts.items()]
        rows.append([label, *(f"{int(count[c]):,}" for count in counts.values()), bar(pieces)])
    rows.append([tag("b", "all"), *(tag("b", f"{int(count.sum()):,}") for count in counts.values()), ""])
    yield table(columns, rows, Html("Images of each class"))


def _sets(findings: Findings) -> Iterator[Html]:
    if not findings.alike:
        yield join([tag("h2", "Duplicates"), tag("p", "No picture occurs twice.")])
        return
    yield tag("h2", f"Duplicates: {len(findings.alike):,} sets")
    if len(findings.alike) > SETS_SHOWN:
        yield tag("p", f"The {SETS_SHOWN} that matter most; duplicates.csv has all.", class_="small")
    yield tag("div", *(_set(findings, alike) for alike in by_weight(findings.alike)[:SETS_SHOWN]), class_="sets")


def _set(findings: Findings, alike: Alike) -> Html:
    tags = [tag("span", "the same picture" if alike.exact else "look alike", class_="tag")]
    if alike.leaks:
        tags.append(tag("span", f"leakage: in more than one {findings.part}", class_="tag bad"))
    if alike.conflicts:
        tags.append(tag("span", "labels differ", class_="tag bad" if alike.exact else "tag"))
    bad = " bad" if alike.leaks or (alike.exact and alike.conflicts) else ""
    heading = tag("p", *tags, tag("span", f"{len(alike.files)} files", class_="small"))
    return tag("div", heading, _pictures(findings, _examples(alike)), class_=f"set{bad}")


def _examples(alike: Alike) -> list[File]:
    """A few files of the set: one of each split, then one of each class, so that what is wrong can be seen."""
    backwards = alike.files[::-1]  # of equal keys the last one stays
    splits, labels = {file.split: file for file in backwards}, {file.label: file for file in backwards}
    order = [*reversed(splits.values()), *reversed(labels.values()), *alike.files]
    return list({file.path: file for file in order}.values())[:FILES_SHOWN]


def _pictures(findings: Findings, files: Sequence[File], kind: str = "") -> Html:
    figures = (_figure(findings, file, file.found.problems.get(kind, "")) for file in files)
    return tag("div", *figures, class_="pictures")


def _figure(findings: Findings, file: File, detail: str) -> Html:
    place = f"{file.found.width}x{file.found.height} {file.found.format}"
    lines = join([file.split, tag("br"), file.path, tag("br"), detail or place])
    return tag("figure", _thumbnail(findings, file), tag("figcaption", tag("b", file.label), " ", lines))


def _thumbnail(findings: Findings, file: File) -> Html:
    try:
        return image(thumbnail(read_image(os.path.join(findings.root, file.path), findings.limits.max_pixels)))
    except ImageError:
        return Html("")


def _problems(findings: Findings) -> Iterator[Html]:
    counts = findings.problem_counts()
    if not counts:
        return
    yield tag("h2", "Odd files")
    if unreadable := findings.with_problem(UNREADABLE):
        yield tag("h3", f"{UNREADABLE}: {len(unreadable):,}")
        columns = [Column(Html(name), numeric=False) for name in ("file", "reason")]
        rows = [(file.path, file.found.problems[UNREADABLE]) for file in unreadable[:ROWS_SHOWN]]
        yield join([table(columns, rows, Html(UNREADABLE)), more(len(unreadable), ROWS_SHOWN, TABLE)])
    yield tag("div", *(_kind(findings, kind) for kind in sorted(counts.keys() - {UNREADABLE})), class_="kinds")


def _kind(findings: Findings, kind: str) -> Html:
    files = findings.with_problem(kind)
    limit = tag("p", findings.limits.in_words(kind), class_="small")
    pictures = _pictures(findings, files[:FILES_SHOWN], kind)
    return tag("div", tag("h3", f"{kind}: {len(files):,}"), limit, pictures, more(len(files), FILES_SHOWN, TABLE))


def _sizes(findings: Findings) -> Iterator[Html]:
    yield join([tag("h2", "Sizes and kinds"), tag("p", typical_sizes(findings.files))])
    for title, pairs in (("shorter side, pixels", size_histogram(findings.files)), ("kind", kinds(findings.files))):
        most = max((count for _, count in pairs), default=1)
        columns = [Column(Html(title), numeric=False), Column(Html("images")), Column(Html("share"), numeric=False)]
        rows = [[name, f"{count:,}", bar([(count / most, COLOURS[""])], 360)] for name, count in pairs]
        yield table(columns, rows, Html(title))
