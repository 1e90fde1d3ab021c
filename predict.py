"""Classify images, folders and globs with the preprocessing of validation: predict.py logs/resnet_18/exp1 photos

What is not said comes from predict_config.py: as shipped, best.pth of the newest run and an image of the digits.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from utils import distributed
from utils.cli import add_config_options, read_options, run_command
from utils.config import PredictConfig, load_predict_config
from utils.config.without_effect import overruled
from utils.cpu.allocator import keep_freed_memory
from utils.data.listing import find_all_images, notes_of_folders
from utils.errors import DataError
from utils.files import new_file, writing
from utils.prediction.accuracy import accuracy_in_words, true_class
from utils.prediction.classifier import Classifier, load_classifier, weights_of
from utils.prediction.command_line import add_words, overrides_of
from utils.prediction.output import output_folder, shared_folder
from utils.prediction.predictions import Prediction, check_some_classified, in_words, write_predictions
from utils.text import one_line
from utils.threads import compute_with

from tqdm import tqdm


def run(config: PredictConfig, explicit: Collection[str] = ()) -> list[Prediction]:
    """Classify what config.predict_img_path names; print or write the outcome, and return it in order of the paths.

    explicit: keys that the user has set even where they have the values of the defaults.
    """
    weights = weights_of(config)
    folder = output_folder(config, weights)
    others: Counter[str] = Counter()
    paths = find_all_images(config.patterns, others=others)
    device = distributed.pick_device(config.device)
    distributed.use(device)
    compute_with(config.num_threads)
    if device.type == "cpu":
        keep_freed_memory()
    classifier = load_classifier(replace(config, load_from=str(weights)), device)
    if not config.load_from:
        print(one_line(f"load_from is not set: {weights} is of the newest run, {classifier.run}"))
    print(one_line(f"{classifier.description}; {len(paths)} image(s)"))
    for note in notes_of_folders(others):
        print(one_line(f"{', '.join(config.patterns)}: {note}"))
    for sentence in overruled(config, classifier.decided, str(weights), explicit):
        print(one_line(f"warning: {sentence}"), file=sys.stderr)
    batches = range(0, len(paths), config.batch_size)
    predictions = [
        prediction
        for start in tqdm(batches, disable=None if len(batches) > 1 else True)
        for prediction in classifier.predict(paths[start : start + config.batch_size], config.topk)
    ]
    report(config, classifier, predictions, folder)
    return predictions


def report(config: PredictConfig, classifier: Classifier, predictions: list[Prediction], folder: Path) -> None:
    """One image: its classes and a picture; several: their table and, where it can be known, how many are right.

    folder: for what has no name of its own.  Raises ImageError or DataError where there is no answer at all.
    """
    if single := len(config.patterns) == 1 and os.path.isfile(config.patterns[0]):
        predictions[0].check()
        show(predictions)
    asked = shared_folder(config.patterns)
    if not single or config.output:
        named = nullcontext(Path(config.output)) if config.output else None
        save_table(named or new_file(folder, asked.name or "images", ".csv"), predictions, config.topk, shown=single)
    if single:
        true = true_class(predictions[0].path, asked.parent, classifier.classes)
        save_picture(predictions[0], folder, true, config.max_image_pixels)
        return
    if accuracy := accuracy_in_words(predictions, asked, classifier.classes):
        print(accuracy)
    check_some_classified(predictions)


def show(predictions: list[Prediction]) -> None:
    """Print the classes of each image, the likeliest first; behind its path, where there are several."""
    for prediction in predictions:
        if len(predictions) > 1 or prediction.error:
            print(one_line(f"{prediction.path}: {prediction.error}".removesuffix(": ")))
        for name, probability in prediction.ranked:
            print(one_line(f"{probability:8.2%}  {name}"))
    sys.stdout.flush()  # the answer need not wait for its files


def save_table(target: AbstractContextManager[Path], predictions: list[Prediction], topk: int, *, shown: bool) -> None:
    """The table of all images. Raises DataError where it cannot be written, once the answers are `shown`."""
    try:
        with target as path, writing(path):
            write_predictions(path, predictions, topk)
    except DataError:
        if not shown:
            show(predictions)
        raise
    print(one_line(f"{in_words(predictions)}: {path}"))


def save_picture(prediction: Prediction, folder: Path, true: str | None, max_pixels: int) -> None:
    """true: the class that the image's folder names."""
    from utils.prediction.picture import draw_prediction  # matplotlib takes a second to import

    with new_file(folder, Path(prediction.path).stem, ".jpg") as path:
        draw_prediction(path, prediction, true, max_pixels)
    print(one_line(f"picture: {path}"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_words(parser)
    add_config_options(parser, PredictConfig, "predict_config.py")
    arguments = read_options(parser)

    def command() -> None:
        overrides = overrides_of(arguments)
        run(load_predict_config(arguments.config, overrides), overrides)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
