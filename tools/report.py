"""Write report.html, the page of a run, anew from the files of its folder: report.py logs/resnet_18/exp0

The page is one file that needs no network: how good the network is, which pictures it gets wrong, what it looked at,
and where it comes from, in English and in Chinese. It is of the test images where there are some, else of those of val.
train.py writes it too, with fewer pictures. Several runs get a page each, in their folders, and one that compares them:
comparison.html in the folder above the first run. No file of a run is executed.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, as_path, integer_in, run_command, say
from utils.files import check_new_file, check_writable, writing
from utils.page.document import LANGUAGES
from utils.report.file_names import is_of_folds
from utils.report.saved_run import check_run
from utils.run_page.comparison import COMPARISON, is_comparable, write_comparison
from utils.run_page.folds import write_fold_report
from utils.run_page.look import Limits
from utils.run_page.shell import REPORT
from utils.run_page.write import write_report
from utils.signals import terminations_raise
from utils.text import one_line


def report(folder: Path, target: Path, limits: Limits, language: str) -> None:
    """Write the page of one run and say where it is. Raises DataError, ConfigError or WeightsError."""
    with writing(target):
        write = write_fold_report if is_of_folds(folder) else write_report
        notes = write(folder, limits, language=language, target=target)
    say(map(one_line, [*notes, f"report: {target} ({target.stat().st_size / 1e6:.2f} MB)"]))


def compare(folders: list[Path], target: Path, limits: Limits, language: str) -> None:
    """Write the page of several runs and say where it is. Raises as `report`."""
    with writing(target):
        notes = write_comparison(folders, target, limits, language=language)
    say(map(one_line, [*notes, f"comparison: {target} ({target.stat().st_size / 1e6:.2f} MB)"]))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add, limits = parser.add_argument, Limits()
    add("runs", nargs="+", type=as_path, metavar="RUN", help="folder of a run, such as logs/resnet_18/exp0")
    language = "en or zh; auto, the default: both are in the page, and the browser's is shown"
    add("--language", choices=LANGUAGES, default="auto", help=language)
    cam = f"pictures for which what the network looked at is drawn, by best.pth (default: {limits.cams})"
    add("--cam", type=integer_in(0, 10_000), default=limits.cams, metavar="N", help=cam)
    pictures = f"small pictures in the page, about 6 kB each (default: {limits.pictures:,})"
    add("--pictures", type=integer_in(0, 100_000), default=limits.pictures, metavar="N", help=pictures)
    output = "an .html file: of one RUN in place of report.html in its folder, of several in place of comparison.html"
    add("--output", type=as_path, metavar="FILE", help=output)
    add("--overwrite", action="store_true", help="replace the file that --output names, if it exists")
    add_max_image_pixels(add)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    given = parse_arguments(arguments)
    limits = replace(Limits(), pictures=given.pictures, cams=given.cam, max_pixels=given.max_image_pixels)

    def command() -> None:
        given.runs = list({folder.resolve(): folder for folder in given.runs}.values())  # each once
        several = len(given.runs) > 1
        for folder in given.runs:
            if not is_of_folds(folder):
                check_run(folder)
        if given.output is not None:
            check_new_file(given.output, (".html",), overwrite=given.overwrite)
        with terminations_raise():
            for folder in given.runs:
                target = folder / REPORT if several or given.output is None else given.output
                if target == folder / REPORT:
                    check_writable(folder, REPORT)
                report(folder, target, limits, given.language)
            if several and not any(map(is_comparable, given.runs)):
                say([f"no {COMPARISON}: none of these runs has a predictions.csv"])
            elif several:
                target = given.output or given.runs[0].resolve().parent / COMPARISON
                compare(given.runs, target, limits, given.language)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
