"""Find labels that are probably wrong, by predictions of networks that never saw the images.

find_label_errors.py logs/resnet_18/cv0/predictions.csv              of tools/cross_validate.py: all images
find_label_errors.py logs/resnet_18/probe0/folds/predictions.csv     of tools/probe.py --folds: all images, in a minute
find_label_errors.py logs/resnet_18/exp0/predictions.csv             of a run: those of val
find_label_errors.py logs/resnet_18/cv0/label_errors/suspects.csv --apply
find_label_errors.py --undo logs/resnet_18/cv0/label_errors/undo.csv

It writes suspects.csv and suspects.html, the likeliest errors first: look at the page, delete the rows of suspects.csv
that are wrong themselves, and --apply moves the files of the others to the folder of the suggested class, beside the
one of their label. What is moved where is in an undo file before the first file is moved; --undo puts all back, after
an interruption too. No image is ever overwritten, and a suspects.csv that was edited only with --overwrite.
Predictions of images that the network was trained on are refused.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, as_path, run_command, say
from utils.errors import ConfigError, DataError
from utils.files import check_writable, new_file, write_text, writing
from utils.label_errors.held_out import read_held_out
from utils.label_errors.html import html_page
from utils.label_errors.moves import apply_moves, plan_moves, read_moves, undo_moves, write_moves
from utils.label_errors.suspects import (
    SUSPECTS,
    Suspect,
    check_unedited,
    find_suspects,
    is_of_suspects,
    read_suspects,
    write_suspects,
)
from utils.report.saved_answers import PREDICTIONS
from utils.signals import terminations_raise
from utils.text import aligned, listed, shortened

PAGE = "suspects.html"
SHOWN, WIDEST_PATH = 10, 80  # suspects printed, and columns of a terminal for the path of one


def find(given: argparse.Namespace, output: Path) -> list[Suspect]:
    """Write the table and the page; returns the suspects. Raises DataError, also for an edited table in their place."""
    table = given.table
    held_out = read_held_out(table, vouched=given.held_out)
    suspects = find_suspects(held_out)
    if not given.overwrite:
        check_unedited(output / SUSPECTS, suspects, f"nothing was {'moved' if given.apply else 'written'}")
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        write_suspects(output / SUSPECTS, suspects)
        page = html_page(suspects, len(held_out.paths), str(table.resolve()), given.max_image_pixels)
        write_text(output / PAGE, page)
    rows = [
        (shortened(each.path, WIDEST_PATH), shortened(each.label), shortened(each.suggested), f"{each.p_label:.3f}")
        for each in suspects[:SHOWN]
    ]
    more = [f"... and {len(suspects) - SHOWN:,} more"] if len(suspects) > SHOWN else []
    say(aligned([("image", "label", "suggested", "p(label)"), *rows]) + more if suspects else [])
    agreed = 100 * float((held_out.labels == held_out.predicted).mean())
    say(
        [
            f"the network agrees with {agreed:.1f} % of the labels: a weak one doubts many that are right",
            f"{len(suspects):,} of {len(held_out.paths):,} labels look wrong: {output / PAGE}",
        ]
    )
    return suspects


def apply(suspects: list[Suspect], output: Path) -> None:
    """Move the files, with an undo file in `output`. Raises DataError."""
    plan = plan_moves(suspects)
    if plan.gone:
        say([f"{len(plan.gone):,} files are not there (any more): {listed(plan.gone)}"])
    if not plan.moves:
        raise DataError(f"no file to move: {len(suspects):,} suspects, {len(plan.gone):,} of them without a file")
    with new_file(output, "undo", ".csv") as undo:
        write_moves(undo, plan.moves)
        say([f"undo file: {undo}"])
    with terminations_raise():
        apply_moves(plan.moves)
    say([f"moved {len(plan.moves):,} files; tools/find_label_errors.py --undo {undo} puts them back"])


def run(given: argparse.Namespace) -> None:
    if given.undo is not None:
        with terminations_raise():
            say([f"put back {undo_moves(read_moves(given.undo)):,} files"])
        return
    edited = given.table.is_file() and is_of_suspects(given.table)
    if edited and not given.apply:
        problem = f"{given.table}: a table of suspects, whose files --apply moves; expected a {PREDICTIONS}"
        raise ConfigError("command line", [problem])
    output = given.output or (given.table.parent if edited else default_output(given.table))
    check_writable(output, f"--output {output}")
    suspects = read_suspects(given.table) if edited else find(given, output)
    if given.apply:
        apply(suspects, output)


def default_output(table: Path) -> Path:
    """The folder label_errors beside predictions.csv, test_label_errors beside test_predictions.csv."""
    return table.with_name(f"{table.name.removesuffix(PREDICTIONS).removesuffix('.csv')}label_errors")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    table = f"{PREDICTIONS} of images that the network was not trained on; with --apply also a {SUSPECTS}"
    add("table", nargs="?", type=as_path, metavar="PREDICTIONS", help=table)
    output = f"folder for {SUSPECTS} and {PAGE} (default: label_errors beside PREDICTIONS)"
    add("--output", type=as_path, metavar="FOLDER", help=output)
    overwrite = f"replace a {SUSPECTS} there whose rows are not those that are found, as after you edited it"
    add("--overwrite", action="store_true", help=overwrite)
    vouched = "the network was not trained on these images, which nothing beside the table says"
    add("--held-out", action="store_true", help=vouched)
    add("--apply", action="store_true", help="move the files of all suspects, and write an undo file")
    add("--undo", type=as_path, metavar="FILE", help="put back what --apply has moved")
    add_max_image_pixels(add)
    given = parser.parse_args(arguments)
    if (given.table is None) == (given.undo is None):
        parser.error("expected PREDICTIONS, or --undo FILE alone")
    if given.undo is not None and given.apply:
        parser.error("--undo goes without --apply")
    return given


def main(arguments: list[str] | None = None) -> int:
    given = parse_arguments(arguments)
    return run_command(lambda: run(given))


if __name__ == "__main__":
    sys.exit(main())
