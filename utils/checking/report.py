"""The findings as text and as csv files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..files import write_text
from ..tables import write_csv
from ..text import aligned, printable, shortened
from .findings import Alike, File, Findings, by_weight, concerns, spoilers
from .html import html_report
from .inspect import UNREADABLE
from .sizes import kinds, size_histogram, typical_sizes

REPORTS = ("report.txt", "files.csv", "duplicates.csv", "report.html")
BAR = 40  # characters of the longest bar
SHOWN = 10  # files named of each kind; files.csv names all
CLASSES_SHOWN = 60


def write_reports(folder: Path, findings: Findings) -> None:
    """report.txt, files.csv, duplicates.csv and report.html; those of an earlier check are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.txt", "\n".join(text_report(findings)) + "\n")
    header = ["path", "split", "class", "width", "height", "mode", "format", "bytes", "problems"]
    write_csv(folder / "files.csv", header, [_row(file) for file in findings.files])
    header = ["set", "kind", "leakage", "conflict", "path", "split", "class"]
    rows = [row for number, alike in enumerate(findings.alike) for row in _alike_rows(number, alike)]
    write_csv(folder / "duplicates.csv", header, rows)
    write_text(folder / "report.html", html_report(findings))


def _row(file: File) -> list[object]:
    found = file.found
    problems = "; ".join(f"{kind}: {detail}" for kind, detail in found.problems.items())
    size = [found.width, found.height, found.mode, found.format, found.bytes]
    return [file.path, file.split, file.label, *size, problems]


def _alike_rows(number: int, alike: Alike) -> Iterator[list[object]]:
    kind = "same" if alike.exact else "near"
    for file in alike.files:
        flags = ["yes" if flag else "no" for flag in (alike.leaks, alike.conflicts)]
        yield [number, kind, *flags, file.path, file.split, file.label]


def text_report(findings: Findings) -> list[str]:
    """The lines of report.txt, which are printed too."""
    lines = [printable(f"{findings.root}: {len(findings.files):,} images of {len(findings.classes)} classes"), ""]
    lines += [*_class_table(findings), "", *_sizes(findings), *_files(findings), *_sets(findings.alike)]
    for title, sentences in (
        ("Spoils a training", list(spoilers(findings))),
        ("Worth a look", list(concerns(findings))),
        ("Left out", findings.notes),
    ):
        lines += [f"{title}:", *(f"  {printable(sentence)}" for sentence in sentences), ""] if sentences else []
    return lines


def _class_table(findings: Findings) -> list[str]:
    counts = findings.counts
    names = map(shortened, findings.classes)
    rows = [[name, *(int(n[c]) for n in counts.values())] for c, name in enumerate(names)]
    more = [f"... and {len(rows) - CLASSES_SHOWN} more classes"] if len(rows) > CLASSES_SHOWN else []
    total = ["all", *(int(n.sum()) for n in counts.values())]
    header = ["class", *(split or "images" for split in counts)]
    ratio = f"imbalance: {findings.imbalance():.1f} (most frequent class / rarest, in {findings.balanced or 'all'})"
    return [*aligned([header, *rows[:CLASSES_SHOWN], total]), *more, ratio]


def _sizes(findings: Findings) -> list[str]:
    histogram = size_histogram(findings.files)
    most = max((count for _, count in histogram), default=1)
    bars = aligned([["shorter side", "images"], *histogram])
    bars = [bars[0], *(f"{line}  {'#' * round(BAR * n / most)}" for line, (_, n) in zip(bars[1:], histogram))]
    return [
        f"sizes: {typical_sizes(findings.files)}",
        *bars,
        "",
        *aligned([["kind", "images"], *kinds(findings.files)]),
        "",
    ]


def _files(findings: Findings) -> Iterator[str]:
    """The first files of each problem, unreadable ones first."""
    for kind in sorted(findings.problem_counts(), key=lambda kind: (kind != UNREADABLE, kind)):
        files = findings.with_problem(kind)
        limit = findings.limits.in_words(kind)
        yield f"{kind}: {len(files):,}{limit and f', {limit}'}"
        yield from (printable(f"  {file.path}: {file.found.problems[kind]}") for file in files[:SHOWN])
        yield from [f"  ... and {len(files) - SHOWN:,} more in files.csv"] if len(files) > SHOWN else []
        yield ""


def _sets(alike: Sequence[Alike]) -> Iterator[str]:
    if not alike:
        return
    yield f"pictures that are the same or look alike: {len(alike):,} sets"
    for each in by_weight(alike)[:SHOWN]:
        marks = [*(["leakage"] if each.leaks else []), *(["labels differ"] if each.conflicts else [])]
        more = f" ... {len(each.files) - 4} more" if len(each.files) > 4 else ""
        names = ("  =  " if each.exact else "  ~  ").join(file.path for file in each.files[:4]) + more
        yield printable(f"  {names}" + (f"   [{', '.join(marks)}]" if marks else ""))
    if len(alike) > SHOWN:
        yield f"  ... and {len(alike) - SHOWN:,} more in duplicates.csv"
    yield ""
