"""report.html of a run folder."""

from pathlib import Path

from ..files import write_text
from ..page.markup import Html
from .classes import matrix, per_class
from .curves import by_class, calibration, over_epochs
from .look import Limits
from .origin import again, environment, recipe, train_again
from .overview import figures, verdict
from .read import read_run
from .run_files import RunFiles
from .shell import REPORT, find_pictures, page_of, replace_page

REFRESH = 30  # seconds


def write_report(folder: Path, limits: Limits, *, language: str = "auto", target: Path | None = None) -> list[str]:
    """The page of a run with its pictures, in `target` or the folder; what it lacks, in words.

    Raises DataError or ConfigError naming a file that is not what a run writes, OSError where there is no room.
    """
    run = read_run(folder)
    found = find_pictures(run, limits, lambda _: folder)
    page = page_of(run, _parts(run, found.parts), language=language, data=found.data)
    return replace_page(target or folder / REPORT, page, found)


def write_progress(folder: Path, *, language: str = "auto") -> None:
    """The page of a run that goes on: without pictures, and it refreshes itself. Raises as `write_report`."""
    run = read_run(folder, with_answers=False)
    parts = _parts(run, Html(""), under_way=True)
    write_text(folder / REPORT, page_of(run, parts, language=language, refresh=REFRESH))


def _parts(run: RunFiles, pictures: Html, *, under_way: bool = False) -> list[Html]:
    parts = [verdict(run, under_way=under_way), figures(run), matrix(run), per_class(run), pictures, over_epochs(run)]
    return [*parts, by_class(run), calibration(run), recipe(run), environment(run), again(run, train_again(run))]
