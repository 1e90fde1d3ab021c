"""Look for what would spoil a training in a folder of images, before the training: check_data.py data/photos

ROOT holds train/<class>/*, val/<class>/* and perhaps test/<class>/*, or class folders directly, or the folds of
create_data.py, whose val folders together are all images. Every file is decoded in full. Exit status 2 if there is what
would spoil a training: unreadable files, the same or nearly the same picture in two splits (leakage), the same picture
in two classes, or classes that train lacks; 0 if not. Files are never changed.

The report is printed, and written to --output as report.txt, report.html (one file, with thumbnails), files.csv (one
row a file) and duplicates.csv. Near duplicates are other sizes and qualities of a picture and slight crops of it, found
with a perceptual hash; turned or mirrored pictures are not found.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.checking.findings import examine, spoilers
from utils.checking.inspect import Limits
from utils.checking.report import REPORTS, text_report, write_reports
from utils.checking.similar import FARTHEST
from utils.cli import OptionParser, add_max_image_pixels, as_path, integer_in, run_command, say
from utils.data.images import MAX_PIXELS
from utils.errors import DataError
from utils.files import check_writable, writing
from utils.signals import terminations_raise


@dataclass(frozen=True)
class Request:
    root: Path
    output: Path
    limits: Limits
    near: int | None


def parse_arguments(arguments: list[str] | None = None) -> Request:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add, usual = parser.add_argument, Limits()
    add("root", type=as_path, metavar="ROOT", help="folder with train, val and test, with class folders, or with folds")
    output_help = f"folder for {', '.join(REPORTS)}, which are replaced there (default: ROOT_check, beside ROOT)"
    add("--output", type=as_path, metavar="FOLDER", help=output_help)
    tiny = f"pixels of the shorter side below which a picture is tiny (default: {usual.min_side})"
    add("--min-side", type=integer_in(0, MAX_PIXELS), default=usual.min_side, metavar="N", help=tiny)
    huge = f"millions of pixels above which it is huge (default: {usual.max_megapixels:g})"
    add("--max-megapixels", type=float, default=usual.max_megapixels, metavar="X", help=huge)
    aspect = f"longer side / shorter side above which it is stretched (default: {usual.max_aspect:g})"
    add("--max-aspect", type=float, default=usual.max_aspect, metavar="X", help=aspect)
    add_max_image_pixels(add)
    near = f"bits of 64 in which the hashes of near duplicates may differ, 0..{FARTHEST} (default: 8)"
    add("--near", type=integer_in(0, FARTHEST), default=8, metavar="N", help=near)
    add("--exact-only", action="store_true", help="look for no near duplicates, as among frames of a video")
    given = parser.parse_args(arguments)
    root = given.root.resolve()
    if given.output is None and not root.name:
        parser.error(f"--output: needed for {given.root}, which has no name to call the folder of the report after")
    output = given.output or root.with_name(f"{root.name}_check")
    limits = Limits(given.min_side, given.max_megapixels, given.max_aspect, given.max_image_pixels)
    return Request(given.root, output, limits, None if given.exact_only else given.near)


def check(request: Request) -> None:
    """Print and write the report. Raises DataError if something would spoil a training."""
    root = request.root.resolve()
    output = request.output.resolve()
    if root in (output, *output.parents):
        raise DataError(f"--output {request.output}: lies in {request.root}, where it would be taken for a class")
    if output.exists() and not output.is_dir():
        raise DataError(f"--output {request.output}: is a file; expected a folder")
    check_writable(output, f"--output {request.output}")
    findings = examine(request.root, request.limits, request.near)
    say(text_report(findings))
    with writing(output):
        write_reports(output, findings)
    say([f"report: {request.output / 'report.html'}"])
    if spoils := list(spoilers(findings)):
        raise DataError(f"{request.root}: would spoil a training: {'; '.join(spoils)}")
    say(["ok: nothing found that would spoil a training"])


def main(arguments: list[str] | None = None) -> int:
    request = parse_arguments(arguments)

    def run() -> None:
        with terminations_raise():
            check(request)

    return run_command(run)


if __name__ == "__main__":
    sys.exit(main())
