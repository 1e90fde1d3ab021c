"""A contact sheet of what the network sees in training under a config: visualize_augment.py photos --set augment=ra

A row an image of train: as it is, as validation would see it, and as each of the first epochs does after crop, flip,
policy and erasing. Below, where the config mixes, the first batch that mixup and the first that cutmix changes, with
soft labels (before label smoothing). Images and batches come through the code of training itself: with the same config
and data, a single training process is given these very pixels, unless max_minutes changes the length of the run, which
decides keys that are 'auto': that is measured as a training begins.

The sheet goes to other/augmentation.jpg below log_root, or augmentation_1.jpg and so on where that has been written
already, or to the new file that --output names.
"""

import sys
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils import distributed
from utils.cli import OptionParser, add_config_options, as_path, integer_in, read_options, run_command
from utils.config import TrainConfig, load_train_config
from utils.files import OF_NO_RUN, PICTURE_ENDINGS, check_new_file, new_file, writing
from utils.preview.augmented import preview
from utils.preview.sheet import contact_sheet
from utils.recipe.resolve import resolve
from utils.report.canvas import save
from utils.run.begin import weights_to_start_from
from utils.run.command_line import add_words, overrides_of
from utils.run.plan import facts_at
from utils.run.splits import read_data

SHOWN = ("augment", "horizontal_flip", "random_erase_prob", "mixup_prob", "cutmix_prob", "seed")  # keys in the title
EXTRAS = ("crop_scale", "crop_ratio", "vertical_flip", "rotate", "color_jitter", "grayscale_prob", "blur_prob")
USUAL = TrainConfig.plain()


def keys_of_title(config: TrainConfig) -> list[str]:
    """Those that every sheet names, and the others that are not as usual."""
    return [*SHOWN, *(key for key in EXTRAS if getattr(config, key) != getattr(USUAL, key))]


def shown_value(value: object) -> str:
    return " to ".join(f"{part:.3g}" for part in value) if isinstance(value, tuple) else str(value)


def draw(config: TrainConfig, path: Path, *, images: int, epochs: int) -> None:
    """Write the sheet to `path`. Raises DataError."""
    splits = read_data(config)
    device = distributed.pick_device(config.device, config.gpu_ids)  # which the length of a run goes by
    config, _ = resolve(config, facts_at(config, splits, device, weights_to_start_from(config)))
    sections = preview(config, splits, images=images, epochs=epochs)
    keys = ", ".join(f"{key} {shown_value(getattr(config, key))}" for key in keys_of_title(config))
    title = f"{splits.train.root} in training: img_size {config.img_size[0]} x {config.img_size[1]}, {keys}"
    figure = contact_sheet(title, sections, splits.classes, config.img_size)
    with writing(path):
        save(figure, path)


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(description=__doc__)
    add_words(parser)
    add_config_options(parser, TrainConfig, "train_config.py")
    parser.add_argument(
        "--images", type=integer_in(1, 64), default=6, metavar="N", help="images of train, 1..64 (default: 6)"
    )
    parser.add_argument(
        "--epochs", type=integer_in(1, 16), default=6, metavar="E", help="draws of each, 1..16 (default: 6)"
    )
    parser.add_argument(
        "--output", type=as_path, metavar="FILE", help="a .jpg or .png; default: a new one in log_root/other"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file that --output names, if it exists")
    given = read_options(parser, arguments)

    def command() -> None:
        if given.output is not None:
            check_new_file(given.output, PICTURE_ENDINGS, overwrite=given.overwrite)
        config = load_train_config(given.config, overrides_of(given))
        folder = Path(config.log_root) / OF_NO_RUN.name
        with nullcontext(given.output) if given.output else new_file(folder, "augmentation", ".jpg") as path:
            draw(config, path, images=given.images, epochs=given.epochs)
        print(f"contact sheet: {path.resolve()}")

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
