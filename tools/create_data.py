"""Divide a folder of class folders into train, val and test: create_data.py photos data/photos --val 0.2 --test 0.1

SRC is a folder with one folder a class, or a csv with columns path and label, its paths relative to the csv's folder.
DST gets train/<class>/* and val/<class>/*, the layout that train.py reads. The division is stratified by class, keeps
the groups of --group and files that are copies of each other on one side, gives each part at least one image of each
class where there are enough, and depends on --seed, the names and which files are copies alone: it can be repeated.
DST appears whole or not at all, and nothing is ever overwritten.
"""

import argparse
import codecs
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, as_path, run_command, say
from utils.config.rules import DIGITS_PATH
from utils.data.demo import make_digits
from utils.signals import terminations_raise
from utils.splitting.create import Request, create
from utils.splitting.shrink import JPEG_QUALITY

EPILOG = r"""examples:
  create_data.py photos data/photos --val 0.2 --test 0.1
  create_data.py scans data/scans --group "(patient\d+)_"      all images of a patient on one side
  create_data.py labels.csv data/photos --folds 5 --link       data/photos/fold0/{train,val} ... fold4, without copies
  create_data.py camera data/small --max-side 512              train on files that decode fast
  create_data.py --demo digits                                 the embedded data set, at data/digits"""


def share(text: str) -> float:
    if not 0 < (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, got {text}")
    return number


def at_least(least: int) -> Any:
    def integer(text: str) -> int:
        if (number := int(text)) < least:
            raise argparse.ArgumentTypeError(f"expected an integer >= {least}, got {text}")
        return number

    return integer


def pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def encoding(text: str) -> str:
    try:
        " ".encode(text)  # some codecs are of no text
        return codecs.lookup(text).name
    except LookupError as error:
        raise argparse.ArgumentTypeError(f"{error}; expected one that Python knows, such as cp1252 or gbk") from None


def build_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = OptionParser(description=__doc__, epilog=EPILOG, formatter_class=raw)
    add = parser.add_argument
    source_help = "folder of class folders, or csv with columns path,label"
    add("source", nargs="?", type=as_path, metavar="SRC", help=source_help)
    add("target", nargs="?", type=as_path, metavar="DST", help="folder to make; must not exist, or be empty")
    add("--val", type=share, help="share of the images in val (default: 0.2)")
    add("--test", type=share, help="share of the images in test (default: no test)")
    add("--folds", type=at_least(2), metavar="K", help="K folds instead: every image is in val of exactly one")
    add("--seed", type=int, default=0, help="another number, another division (default: 0)")
    group_help = "regular expression searched in the path below the class folder (with /) or in the csv's path; files "
    group_help += "whose first group, or whole match, is the same stay together, across classes too"
    add("--group", type=pattern, metavar="REGEX", help=group_help)
    how = parser.add_mutually_exclusive_group()
    for mode, mode_help in (
        ("copy", "copy the files (default)"),
        ("link", "hard links, or symbolic ones across file systems: no room needed, but the files are the originals"),
        ("manifest", "only DST/train.csv, val.csv ... with columns path and label, which SRC may be again"),
    ):
        how.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, default="copy", help=mode_help)
    side_help = f"shrink images with a longer side than this: upright, JPEG at quality {JPEG_QUALITY}, others as PNG; "
    add("--max-side", type=at_least(1), metavar="N", help=side_help + "smaller ones are copied as they are")
    bad_help = (
        "about files that --max-side cannot decode: stop and name them (default), or leave them out and name them"
    )
    add("--on-bad-image", choices=("error", "skip"), default="error", help=bad_help)
    add_max_image_pixels(add)
    encoding_help = "encoding of the csv, such as cp1252 or gbk (default: UTF-8)"
    add("--encoding", type=encoding, metavar="NAME", help=encoding_help)
    add("--demo", choices=("digits",), help=f"make the embedded data set instead, at DST (default: {DIGITS_PATH})")
    return parser


def parse_arguments(arguments: list[str] | None = None) -> Request | Path:
    """What to create; a Path is where the digits go."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    changed = [name for name, value in vars(given).items() if value != parser.get_default(name)]
    if given.demo:
        if rest := set(changed) - {"demo", "source"}:
            parser.error(f"--demo takes DST alone, no {', '.join(sorted(rest))}")
        return given.source or Path(DIGITS_PATH)
    if given.target is None:
        parser.error("expected SRC and DST")
    if given.folds and (given.val or given.test):
        parser.error("--folds divides all images into K parts: --val and --test do not go with it")
    if given.max_side and given.mode != "copy":
        parser.error(f"--max-side writes new files: it does not go with --{given.mode}")
    val, test = given.val or 0.2, given.test or 0.0
    if val + test >= 1:
        parser.error(f"--val {val} and --test {test} leave nothing for train")
    options = dict(seed=given.seed, pattern=given.group, mode=given.mode)
    options |= dict(max_side=given.max_side, on_bad_image=given.on_bad_image, encoding=given.encoding or "")
    options["max_pixels"] = given.max_image_pixels
    return Request(given.source, given.target, val, test, given.folds or 0, **options)


def run(request: Request | Path) -> None:
    if isinstance(request, Path):
        make_digits(request)
        say([f"wrote 1,797 handwritten digits to {request}"])
        return
    with terminations_raise():
        say([*create(request), f"wrote {request.target}"])


def main(arguments: list[str] | None = None) -> int:
    request = parse_arguments(arguments)
    return run_command(lambda: run(request))


if __name__ == "__main__":
    sys.exit(main())
