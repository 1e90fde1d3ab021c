"""Classify an image, a folder or a glob as predict_config.py says, with the preprocessing of validation."""

import argparse
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from utils import distributed
from utils.cli import add_config_options, run_command
from utils.config import PredictConfig, load_predict_config, parse_overrides
from utils.cpu.allocator import keep_freed_memory
from utils.data.listing import find_images
from utils.errors import DataError
from utils.files import writing
from utils.prediction.classifier import load_classifier
from utils.prediction.output import folder_of, new_file, output_folder
from utils.prediction.predictions import Prediction, check_some_classified, in_words, write_predictions
from utils.text import one_line
from utils.threads import compute_with
from utils.weights.checkpoint import newest_checkpoint

from tqdm import tqdm


def run(config: PredictConfig) -> list[Prediction]:
    """Classify what config.predict_img_path names; print or write the outcome, and return it in order of the paths."""
    weights = Path(config.load_from) if config.load_from else newest_checkpoint()
    folder = output_folder(config, weights)
    paths = find_images(config.predict_img_path)
    device = distributed.pick_device(config.device)
    distributed.use(device)
    compute_with(config.num_threads)
    if device.type == "cpu":
        keep_freed_memory()
    classifier = load_classifier(replace(config, load_from=str(weights)), device)
    print(one_line(f"{classifier.description}; {len(paths)} image(s)"))
    batches = range(0, len(paths), config.batch_size)
    predictions = [
        prediction
        for start in tqdm(batches, disable=None if len(batches) > 1 else True)
        for prediction in classifier.predict(paths[start : start + config.batch_size], config.topk)
    ]
    single = os.path.isfile(config.predict_img_path)
    if single:
        predictions[0].check()
        show(predictions)
    if not single or config.output:
        save_table(config, predictions, folder, shown=single)
        check_some_classified(predictions)
    if single:
        save_picture(predictions[0], folder)
    return predictions


def show(predictions: list[Prediction]) -> None:
    """Print the classes of each image, the likeliest first; behind its path, where there are several."""
    for prediction in predictions:
        if len(predictions) > 1 or prediction.error:
            print(one_line(f"{prediction.path}: {prediction.error}".removesuffix(": ")))
        for name, probability in prediction.ranked:
            print(one_line(f"{probability:8.2%}  {name}"))
    sys.stdout.flush()  # the answer need not wait for its files


def save_table(config: PredictConfig, predictions: list[Prediction], folder: Path, *, shown: bool) -> None:
    """The table of all images. Raises DataError where it cannot be written, once the answers are `shown`."""
    named = nullcontext(Path(config.output))
    new = new_file(folder, folder_of(config.predict_img_path).name or "images", ".csv")
    try:
        with named if config.output else new as path, writing(path):
            write_predictions(path, predictions, config.topk)
    except DataError:
        if not shown:
            show(predictions)
        raise
    print(one_line(f"{in_words(predictions)}: {path}"))


def save_picture(prediction: Prediction, folder: Path) -> None:
    from utils.prediction.picture import draw_prediction  # matplotlib takes a second to import

    with new_file(folder, Path(prediction.path).stem, ".jpg") as path:
        draw_prediction(path, prediction)
    print(one_line(f"picture: {path}"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser, PredictConfig, "predict_config.py")
    arguments = parser.parse_args()
    return run_command(lambda: run(load_predict_config(arguments.config, parse_overrides(arguments.set))))


if __name__ == "__main__":
    sys.exit(main())
