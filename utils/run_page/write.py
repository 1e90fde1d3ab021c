"""report.html of a run folder."""

from pathlib import Path

from ..files import write_text
from ..page.document import document
from ..page.markup import Html, both, join, tag
from ..page.parts import language_button
from ..report.saved_answers import PREDICTIONS
from .attention import attention
from .choose import choose
from .classes import matrix, per_class
from .curves import by_class, calibration, over_epochs
from .gallery import galleries, gallery_data
from .look import Limits, look_at
from .origin import again, environment, recipe
from .overview import figures, verdict
from .read import read_run
from .run_files import RunFiles

REPORT = "report.html"
SCRIPT = Path(__file__).with_name("report.js").read_text(encoding="utf-8")
REFRESH = 30  # seconds


def write_report(folder: Path, limits: Limits, *, language: str = "auto", target: Path | None = None) -> list[str]:
    """The page of a run with its pictures, in `target` or the folder; what it lacks, in words.

    Raises DataError or ConfigError naming a file that is not what a run writes, OSError where there is no room.
    """
    run, notes = read_run(folder), []
    parts, data = Html(""), None
    if run.answers is not None and len(run.answers.paths):
        chosen = choose(run.answers)
        order, file = chosen.in_order(), f"{run.prefix}{PREDICTIONS}"
        pictures = look_at(run.answers, order, limits)
        maps, why = attention(folder, run.answers, [i for i in order if i in pictures.seen], limits)
        notes += [f"no maps of what the network looked at: {why}"] if why else []
        notes += _unread(pictures.unreadable, run.answers.paths)
        parts = galleries(run.answers, chosen, pictures, file)
        data = gallery_data(run.answers, chosen, pictures, maps, file)
    page = document(title_of(run), _body(run, parts), language=language, script=SCRIPT, data=data)
    write_text(target or folder / REPORT, page)
    return notes


def write_progress(folder: Path, *, language: str = "auto") -> None:
    """The page of a run that goes on: without pictures, and it refreshes itself. Raises as `write_report`."""
    run = read_run(folder, with_answers=False)
    body = _body(run, Html(""), under_way=True)
    page = document(title_of(run), body, language=language, script=SCRIPT, refresh=REFRESH)
    write_text(folder / REPORT, page)


def _unread(unreadable: dict[int, str], paths: list[str]) -> list[str]:
    if not unreadable:
        return []
    first, reason = next(iter(unreadable.items()))
    return [f"{len(unreadable):,} pictures could not be read, such as {paths[first]}: {reason}"]


def title_of(run: RunFiles) -> str:
    config = run.config
    return f"{config.model_prefix} {config.model_suffix}, {Path(config.img_path).name}: {run.folder.resolve().name}"


def _body(run: RunFiles, pictures: Html, *, under_way: bool = False) -> Html:
    head = tag("h1", title_of(run)), tag("p", str(run.folder.resolve()), class_="small")
    parts = [verdict(run, under_way=under_way), figures(run), matrix(run), per_class(run), pictures, over_epochs(run)]
    parts += [by_class(run), calibration(run), recipe(run), environment(run), again(run)]
    return join([language_button(), tag("header", *head), tag("main", *parts), _noscript()])


def _noscript() -> Html:
    return tag("noscript", tag("p", both("Sorting needs JavaScript.", "排序需要 JavaScript。"), class_="small"))
