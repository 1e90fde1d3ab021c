"""Draw the pictures of a run again from its files, or the curves of several runs over each other.

plot_run.py RUN draws train_val_loss, Acc_P_R_F1, P_R_F1_per_class, confusion_matrix, data_distribution and scheduler
(.jpg) into the folder of the run, as far as its files go; --output names another folder to draw them into, which is
made where it is missing.
plot_run.py RUN RUN ... writes one picture with the losses, accuracy and F1 of all, and what differs between their
configs: comparison.jpg in the folder above the first run, which is replaced, or the new file that --output names. It
says of each pair of runs whether their accuracies differ on the images that both were judged by: on test, else on val.
Nothing of a run is executed: its train_config.py is read as plain values.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, as_path, run_command
from utils.errors import DataError
from utils.files import PICTURE_ENDINGS, check_writable, picture_path, writing
from utils.report.canvas import save
from utils.report.comparison import compare
from utils.report.pictures import PICTURES, draw_run
from utils.report.same_images import compare_answers, read_common
from utils.report.saved_run import check_run


def redraw(folder: Path, output: Path | None, *, overwrite: bool) -> str:
    """All pictures of one run, drawn into `output` or the run's folder; returns what was done. Raises DataError."""
    check_run(folder)
    if output is not None:
        _check_folder(output, overwrite=overwrite)
    target = output or folder
    check_writable(target, "--output")
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        drawn = draw_run(folder, target)
    message = f"drew {len(drawn)} pictures in {target}: {', '.join(drawn)}"
    absent = [name for name in PICTURES if name not in drawn]
    return message + (f"\nnothing to draw from yet for {', '.join(absent)}" if absent else "")


def _check_folder(output: Path, *, overwrite: bool) -> None:
    """Raises DataError if `output` is no folder and no name for one, or has pictures that may not be replaced."""
    if not output.is_dir() and (output.exists() or output.suffix.lower() in PICTURE_ENDINGS):
        raise DataError(f"--output: expected a folder for the pictures of one run, got {str(output)!r}")
    there = next((output / name for name in PICTURES if (output / name).exists()), None)
    if there and not overwrite:
        raise DataError(f"--output: {there} exists already; --overwrite replaces it")


def overlay(folders: list[Path], output: Path | None, *, overwrite: bool) -> str:
    """The curves of several runs in one picture; returns what was done. Raises DataError."""
    for folder in folders:
        check_run(folder)
    path = picture_path(output, folders[0].resolve().parent / "comparison.jpg", overwrite=overwrite)
    figure = compare(folders)
    with writing(path):
        save(figure, path)
    return "\n".join([f"{len(folders)} runs: {path}", *map(str, compare_answers(read_common(folders)))])


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", nargs="+", type=as_path, metavar="RUN", help="folder of a run, such as logs/resnet_18/exp0"
    )
    output = "a folder for one RUN, a .jpg or .png for several"
    parser.add_argument("--output", type=as_path, metavar="PATH", help=output)
    overwrite = "replace the file that --output names, or the pictures in the folder"
    parser.add_argument("--overwrite", action="store_true", help=overwrite)
    given = parser.parse_args(arguments)

    def command() -> None:
        if len(given.runs) == 1:
            print(redraw(given.runs[0], given.output, overwrite=given.overwrite))
        else:
            print(overlay(given.runs, given.output, overwrite=given.overwrite))

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
