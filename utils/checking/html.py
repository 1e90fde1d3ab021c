"""The findings as one html page that needs nothing beside it: bars, tables, and thumbnails as data URIs."""

import base64
import html
import io
import os
from collections.abc import Iterator, Sequence

from ..data.images import read_image
from ..errors import ImageError
from ..text import printable
from .findings import Alike, File, Findings, by_weight, concerns, spoilers
from .inspect import UNREADABLE
from .sizes import kinds, size_histogram, typical_sizes

SIDE = 112  # pixels of a thumbnail; about 4 kB each
SETS_SHOWN, FILES_SHOWN, ROWS_SHOWN = 40, 5, 100  # sets, files of a set or kind with a thumbnail, files in a list
COLOURS = {"train": "#4477aa", "val": "#ccbb44", "test": "#228833", "": "#4477aa"}

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 24px auto; padding: 0 16px }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere } h2 { font-size: 18px; margin: 32px 0 8px }
h3 { font-size: 15px; margin: 20px 0 6px } .small, figcaption, .key { font-size: 12px; color: #555 }
.verdict { border-left: 6px solid; border-radius: 4px; padding: 10px 16px; margin: 16px 0 }
.bad { border-color: #c22; background: #fdf0f0 } .good { border-color: #283; background: #f0f8f1 }
.verdict ul, .look { margin: 4px 0; padding-left: 20px }
table { border-collapse: collapse } td, th { padding: 2px 10px 2px 0; text-align: left; vertical-align: top }
th { font-weight: 600; font-size: 13px } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td { overflow-wrap: anywhere } td.name { max-width: 260px } .scroll { max-height: 460px; overflow-y: auto }
.sets, .kinds { display: flex; flex-wrap: wrap; gap: 10px 12px }
.set { border: 1px solid #ddd; border-radius: 6px; padding: 8px 12px } .set p { margin: 0 0 8px }
.kinds h3 { margin-top: 8px }
.set.bad { border-color: #c22 } .pictures { display: flex; flex-wrap: wrap; gap: 12px }
.tag { font-size: 12px; border-radius: 3px; padding: 1px 6px; background: #eee; margin-right: 4px }
.tag.bad { background: #c22; color: white } figure { margin: 0; width: 150px }
figure img { image-rendering: auto; min-width: 56px; background: #eee } img.small { image-rendering: pixelated }
figcaption { overflow-wrap: anywhere; line-height: 1.3 } i.key { display: inline-block; width: 10px; height: 10px }
"""


def html_report(findings: Findings) -> str:
    """The whole page. Names of files and classes are shown as text, whatever they hold."""
    title = f"{findings.root.resolve().name}: {len(findings.files):,} images of {len(findings.classes())} classes"
    parts = [*_verdict(findings), *_classes(findings), *_sets(findings), *_problems(findings), *_sizes(findings)]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(title)}</title><style>{STYLE}</style>'
    where = f'<h1>{_text(title)}</h1><div class="small">{_text(str(findings.root.resolve()))}</div>'
    return "\n".join([head, where, *parts, "</html>", ""])


def _text(name: object) -> str:
    return html.escape(printable(str(name)))


def _list(sentences: Sequence[str], kind: str = "look") -> str:
    return f'<ul class="{kind}">' + "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences) + "</ul>"


def _verdict(findings: Findings) -> Iterator[str]:
    spoils = list(spoilers(findings))
    if spoils:
        yield f'<div class="verdict bad"><b>This would spoil a training</b>{_list(spoils)}</div>'
    else:
        yield '<div class="verdict good"><b>Nothing found that would spoil a training</b></div>'
    if looks := [*concerns(findings), *findings.notes]:
        yield f"<h2>Worth a look</h2>{_list(looks)}"


def _classes(findings: Findings) -> Iterator[str]:
    """A row for each class: its images in each split as numbers and as one bar."""
    counts = findings.counts()
    labels = findings.classes()
    most = max([1, *(int(sum(images)) for images in zip(*counts.values()))])
    keys = "".join(f' <i class="key" style="background:{COLOURS[split]}"></i> {split}' for split in counts if split)
    yield f"<h2>Images of each class</h2><p class=small>{keys} &nbsp; the most frequent class has "
    yield f"{findings.imbalance():.1f} times the images of the rarest in {findings.splits[0] or 'the set'}</p>"
    numbers = "".join(f'<th class="n">{split or "images"}</th>' for split in counts)
    yield f'<div class="scroll"><table><tr><th>class</th>{numbers}<th></th></tr>'
    for c, label in enumerate(labels):
        cells = "".join(f'<td class="n">{int(count[c]):,}</td>' for count in counts.values())
        bar = _bar([(int(count[c]) / most, COLOURS[split]) for split, count in counts.items()])
        yield f'<tr><td class="name">{_text(label)}</td>{cells}<td>{bar}</td></tr>'
    total = "".join(f'<td class="n"><b>{int(count.sum()):,}</b></td>' for count in counts.values())
    yield f"<tr><td><b>all</b></td>{total}<td></td></tr></table></div>"


def _bar(pieces: Sequence[tuple[float, str]], length: int = 480) -> str:
    """Pieces (share of the length, colour) in a row, as svg."""
    drawn, x = "", 0.0
    for share, colour in pieces:
        drawn += f'<rect x="{x:.1f}" y="3" width="{share * length:.1f}" height="12" fill="{colour}"/>'
        x += share * length
    return f'<svg width="{length}" height="18">{drawn}</svg>'


def _sets(findings: Findings) -> Iterator[str]:
    if not findings.alike:
        yield "<h2>Duplicates</h2><p>No picture occurs twice.</p>"
        return
    yield f"<h2>Duplicates: {len(findings.alike):,} sets</h2>"
    if len(findings.alike) > SETS_SHOWN:
        yield f'<p class="small">The {SETS_SHOWN} that matter most; duplicates.csv has all.</p>'
    sets = "".join(_set(findings, alike) for alike in by_weight(findings.alike)[:SETS_SHOWN])
    yield f'<div class="sets">{sets}</div>'


def _set(findings: Findings, alike: Alike) -> str:
    tags = f'<span class="tag">{"the same picture" if alike.exact else "look alike"}</span>'
    tags += '<span class="tag bad">leakage: in more than one split</span>' if alike.leaks else ""
    tags += f'<span class="tag{" bad" if alike.exact else ""}">labels differ</span>' if alike.conflicts else ""
    bad = " bad" if alike.leaks or (alike.exact and alike.conflicts) else ""
    tags += f'<span class="small">{len(alike.files)} files</span>'
    return f'<div class="set{bad}"><p>{tags}</p>{_pictures(findings, _examples(alike))}</div>'


def _examples(alike: Alike) -> list[File]:
    """A few files of the set: one of each split, then one of each class, so that what is wrong can be seen."""
    backwards = alike.files[::-1]  # of equal keys the last one stays
    splits, labels = {file.split: file for file in backwards}, {file.label: file for file in backwards}
    order = [*reversed(splits.values()), *reversed(labels.values()), *alike.files]
    return list({file.path: file for file in order}.values())[:FILES_SHOWN]


def _pictures(findings: Findings, files: Sequence[File], kind: str = "") -> str:
    figures = (_figure(findings, file, file.found.problems.get(kind, "")) for file in files)
    return f'<div class="pictures">{"".join(figures)}</div>'


def _figure(findings: Findings, file: File, detail: str) -> str:
    place = f"{file.found.width}x{file.found.height} {file.found.format}"
    caption = f"<b>{_text(file.label)}</b> {_text(file.split)}<br>{_text(file.path)}<br>{_text(detail or place)}"
    return f"<figure>{_thumbnail(findings, file)}<figcaption>{caption}</figcaption></figure>"


def _thumbnail(findings: Findings, file: File) -> str:
    try:
        picture = read_image(os.path.join(findings.root, file.path), findings.limits.max_pixels)
    except ImageError:
        return ""
    tiny = max(picture.size) < SIDE // 2
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, *(["PNG"] if tiny else ["JPEG"]), quality=78)
    source = f"data:image/{'png' if tiny else 'jpeg'};base64,{base64.b64encode(data.getvalue()).decode()}"
    return f'<img alt=""{" class=small" if tiny else ""} src="{source}">'


def _problems(findings: Findings) -> Iterator[str]:
    counts = findings.problem_counts()
    if not counts:
        return
    yield "<h2>Odd files</h2>"
    if unreadable := findings.with_problem(UNREADABLE):
        yield f"<h3>{UNREADABLE}: {len(unreadable):,}</h3>"
        rows = [(_text(file.path), _text(file.found.problems[UNREADABLE])) for file in unreadable[:ROWS_SHOWN]]
        cells = "".join(f"<tr><td>{path}</td><td>{reason}</td></tr>" for path, reason in rows)
        yield f'<div class="scroll"><table>{cells}</table></div>{_more(len(unreadable), ROWS_SHOWN)}'
    yield '<div class="kinds">'
    for kind in sorted(counts.keys() - {UNREADABLE}):
        files = findings.with_problem(kind)
        pictures = _pictures(findings, files[:FILES_SHOWN], kind)
        limit = f'<p class="small">{_text(findings.limits.in_words(kind))}</p>'
        yield f"<div><h3>{kind}: {len(files):,}</h3>{limit}{pictures}{_more(len(files), FILES_SHOWN)}</div>"
    yield "</div>"


def _more(count: int, shown: int) -> str:
    return f'<p class="small">and {count - shown:,} more in files.csv</p>' if count > shown else ""


def _sizes(findings: Findings) -> Iterator[str]:
    yield f"<h2>Sizes and kinds</h2><p>{_text(typical_sizes(findings.files))}</p>"
    for title, pairs in (("shorter side, pixels", size_histogram(findings.files)), ("kind", kinds(findings.files))):
        most = max((count for _, count in pairs), default=1)
        yield f'<table><tr><th>{title}</th><th class="n">images</th><th></th></tr>'
        for name, count in pairs:
            bar = _bar([(count / most, COLOURS[""])], 360)
            yield f'<tr><td>{_text(name)}</td><td class="n">{count:,}</td><td>{bar}</td></tr>'
        yield "</table><br>"
