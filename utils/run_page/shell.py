"""What the pages of a run and of a cross-validation share: heading, language, script, and the lists of pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..files import write_text
from ..page.document import document
from ..page.markup import Html, both, join, tag
from ..page.parts import language_button
from ..report.saved_answers import PREDICTIONS
from .attention import attention
from .choose import choose
from .gallery import galleries, gallery_data
from .look import Limits, look_at
from .run_files import RunFiles

REPORT = "report.html"
SCRIPT = Path(__file__).with_name("report.js").read_text(encoding="utf-8")


class Found(NamedTuple):
    """parts: places for the pictures of the lists.  data: what the script fills them with.  notes: what is missing."""

    parts: Html
    data: dict[str, Any] | None
    notes: list[str]
    gone: bool = False  # none of the pictures is where it was


def find_pictures(run: RunFiles, limits: Limits, run_of: Callable[[int], Path]) -> Found:
    """run_of: the folder of the run whose network has judged an image, by its place in the answers."""
    if run.answers is None or not len(run.answers.paths):
        return Found(Html(""), None, [])
    chosen = choose(run.answers)
    order, file = chosen.in_order(), f"{run.prefix}{PREDICTIONS}"
    pictures = look_at(run.answers, order, limits)
    maps, why = attention(run_of, run.answers, [i for i in order if i in pictures.seen], limits)
    notes = [f"no maps of what the network looked at: {why}"] if why else []
    notes += _unread(pictures.unreadable, run.answers.paths)
    parts = galleries(run.answers, chosen, pictures, file)
    gone = bool(pictures.unreadable) and not pictures.seen
    return Found(parts, gallery_data(run.answers, chosen, pictures, maps, file), notes, gone)


def replace_page(target: Path, page: str, found: Found) -> list[str]:
    """Write the page; returns what it lacks, in words. One that has pictures stays where the new one has none."""
    if found.gone and target.is_file() and "data:image/" in target.read_text(encoding="utf-8", errors="replace"):
        return [*found.notes, f"{target}: kept as it is, since none of its pictures can be read from here"]
    write_text(target, page)
    return found.notes


def _unread(unreadable: dict[int, str], paths: list[str]) -> list[str]:
    if not unreadable:
        return []
    first, reason = next(iter(unreadable.items()))
    return [f"{len(unreadable):,} pictures could not be read, such as {paths[first]}: {reason}"]


def page_of(
    run: RunFiles, parts: Sequence[Html], *, language: str, data: dict[str, Any] | None = None, refresh: int = 0
) -> str:
    """The whole page: a heading, and the parts below it."""
    head = tag("h1", title_of(run)), tag("p", str(run.folder.resolve()), class_="small")
    sorting = tag("p", both("Sorting needs JavaScript.", "排序需要 JavaScript。"), class_="small")
    body = join([language_button(), tag("header", *head), tag("main", *parts), tag("noscript", sorting)])
    return document(title_of(run), body, language=language, script=SCRIPT, data=data, refresh=refresh)


def title_of(run: RunFiles) -> str:
    config = run.config
    return f"{config.model_prefix} {config.model_suffix}, {Path(config.img_path).name}: {run.folder.resolve().name}"
