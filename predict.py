"""Classify an image, a folder or a glob as predict_config.py says, with the preprocessing of validation."""

import argparse
import os
import sys
from pathlib import Path

from utils import distributed
from utils.cli import add_config_options, read_options, run_command
from utils.config import ConfigError, PredictConfig, load_predict_config, parse_overrides
from utils.cpu.allocator import keep_freed_memory
from utils.data.listing import find_images
from utils.prediction.classifier import Classifier, load_classifier
from utils.prediction.predictions import Prediction, check_output, write_predictions
from utils.text import one_line
from utils.threads import compute_with

from tqdm import tqdm


def run(config: PredictConfig) -> list[Prediction]:
    """Classify what config.predict_img_path names; print or write the outcome, and return it in order of the paths."""
    if config.output:
        check_output(config.output)
    single = os.path.isfile(config.predict_img_path)
    paths = find_images(config.predict_img_path)
    device = distributed.pick_device(config.device)
    distributed.use(device)
    compute_with(config.num_threads)
    if device.type == "cpu":
        keep_freed_memory()
    classifier = load_classifier(config, device)
    print(one_line(f"{classifier.description}; {len(paths)} image(s)"))
    batches = range(0, len(paths), config.batch_size)
    predictions = [
        prediction
        for start in tqdm(batches, disable=None if len(batches) > 1 else True)
        for prediction in classifier.predict(paths[start : start + config.batch_size], config.topk)
    ]
    if single:
        show_one(config, classifier, predictions[0])
    if not single or config.output:
        output = config.output or str(default_folder(classifier) / f"{Path(paths[0]).parent.name or 'images'}.csv")
        write_predictions(output, predictions, config.topk)
        failed = sum(bool(prediction.error) for prediction in predictions)
        print(one_line(f"{len(predictions) - failed} classified, {failed} unreadable: {output}"))
    return predictions


def show_one(config: PredictConfig, classifier: Classifier, prediction: Prediction) -> None:
    """Print the classes of one image and save a picture of it beside their bars. Raises ImageError."""
    prediction.check()
    for name, probability in prediction.ranked:
        print(one_line(f"{probability:8.2%}  {name}"))
    sys.stdout.flush()  # the answer need not wait for its picture
    from utils.prediction.picture import draw_prediction  # matplotlib takes a second to import

    target = default_folder(classifier) / f"{Path(prediction.path).stem}.jpg"
    draw_prediction(target, prediction)
    print(one_line(f"picture: {target}"))


def default_folder(classifier: Classifier) -> Path:
    """Where predictions go that have no output named: beside the weights."""
    folder = classifier.path.parent / "predictions"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError("output", [f"cannot make the folder {folder}: {error.strerror}; set output"]) from None
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser, PredictConfig, "predict_config.py")
    arguments = read_options(parser)
    return run_command(lambda: run(load_predict_config(arguments.config, parse_overrides(arguments.set))))


if __name__ == "__main__":
    sys.exit(main())
