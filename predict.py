"""Classify images, folders and globs with the preprocessing of validation: predict.py logs/resnet_18/exp1 photos

What is not said comes from predict_config.py: as shipped, best.pth of the newest run and an image of the digits.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from utils import distributed
from utils.cli import OptionParser, add_config_options, read_options, run_command
from utils.config import PredictConfig, load_predict_config
from utils.config.without_effect import is_asked, overruled
from utils.console import put_line
from utils.cpu.allocator import keep_freed_memory
from utils.data.listing import find_all_images, notes_of_folders
from utils.data.source import PackedPaths, pack_paths
from utils.errors import DataError
from utils.files import new_file, writing
from utils.prediction.accuracy import true_class
from utils.prediction.classifier import Classifier, load_classifier, weights_of
from utils.prediction.command_line import add_words, overrides_of
from utils.prediction.features_file import write_features
from utils.prediction.job import classify_share, opened_parts, plan_of, show
from utils.prediction.output import output_folder, shared_folder
from utils.prediction.parts import Parts
from utils.prediction.predictions import Answered, Prediction, write_predictions
from utils.prediction.sorting import Sorter, check_folders
from utils.prediction.tally import Tally
from utils.signals import terminations_raise
from utils.text import one_line
from utils.threads import compute_with

import torch


def run(config: PredictConfig, explicit: Collection[str] = ()) -> list[Prediction]:
    """`classify`, and return the outcome in order of the paths; on ranks other than 0 none of it."""
    found: list[Prediction] = []
    classify(config, explicit, found.append)
    return found


def classify(
    config: PredictConfig, explicit: Collection[str] = (), take: Callable[[Prediction], None] = lambda _: None
) -> None:
    """Classify what config.predict_img_path names; print or write the outcome. The memory does not grow with it.

    explicit: keys that the user has set even where they have the values of the defaults.
    take: called with each prediction, in order of the paths, before they are written.
    """
    weights = weights_of(config)
    folder = output_folder(config, weights)
    others: Counter[str] = Counter()
    try:
        paths = PackedPaths(pack_paths(find_all_images(config.patterns, others=others)))
    except DataError as error:
        if is_asked(config, "predict_img_path", explicit):
            raise
        raise DataError(f"{error}; that is the default: name your own, python predict.py RUN IMAGES") from None
    device = distributed.pick_device(config.device)
    distributed.use(device)
    compute_with(config.num_threads)
    if device.type == "cpu":
        keep_freed_memory()
    classifier = load_classifier(replace(config, load_from=str(weights)), device)
    if config.sort_into:
        check_folders(Path(config.sort_into), classifier.classes, rejects=config.reject != "none")
    if distributed.is_main():
        announce(config, classifier, len(paths), others, explicit)
    plan = plan_of(config, classifier, paths)
    with opened_parts(config.output, plan, resume=config.resume, width=classifier.width) as parts:
        classify_share(config, classifier, paths, parts)
        if distributed.is_main():
            parts.look()
            parts.check_all(range(0, len(paths), config.batch_size))
            tally = report(config, classifier, Answers(parts, paths, classifier), folder, take)
    if distributed.is_main():
        tally.check_some_classified()  # last: to resume would answer none of them


def announce(
    config: PredictConfig, classifier: Classifier, count: int, others: Counter[str], explicit: Collection[str]
) -> None:
    """Print what is classified by what, and which keys are without effect."""
    if not config.load_from:
        put_line(one_line(f"load_from is not set: {classifier.path} is of the newest run, {classifier.run}"))
    put_line(one_line(f"{classifier.description}; {count} image(s)"))
    for note in notes_of_folders(others):
        put_line(one_line(f"{', '.join(config.patterns)}: {note}"))
    for sentence in overruled(config, classifier.decided, str(classifier.path), explicit):
        print(one_line(f"warning: {sentence}"), file=sys.stderr)


@dataclass(frozen=True)
class Answers:
    """All that was answered, to be gone through as often as one likes; it is read from the disk each time."""

    parts: Parts
    paths: PackedPaths
    classifier: Classifier

    def batches(self) -> Iterator[Answered]:
        return self.parts.read(self.paths, self.classifier.width)

    def __iter__(self) -> Iterator[Prediction]:
        return (prediction for batch in self.batches() for prediction in batch.predictions)


def report(
    config: PredictConfig, classifier: Classifier, answers: Answers, folder: Path, take: Callable[[Prediction], None]
) -> Tally:
    """One image: its classes and a picture; several: their table and, where it can be known, how many are right.

    folder: for what has no name of its own.  Raises DataError where the disk does not take what is to be written.
    """
    asked = shared_folder(config.patterns)
    tally = Tally(asked, classifier.classes)
    for prediction in answers:
        take(prediction)
        tally.add(prediction)
    single = len(config.patterns) == 1 and os.path.isfile(config.patterns[0]) and tally.first
    answered = single and not single.error
    if single and answered:
        show([single], named=False)
    if not single or config.output:
        named = nullcontext(Path(config.output)) if config.output else None
        target = named or new_file(folder, asked.name or "images", ".csv")
        save_table(target, config, answers, tally, min(config.topk, len(classifier.classes)), shown=bool(answered))
    if config.embed and classifier.tap:
        with writing(Path(config.embed)):
            write_features(Path(config.embed), answers.batches(), classifier.tap.width)
        put_line(one_line(f"features, {classifier.tap.width} numbers an image: {config.embed}"))
    if config.sort_into:
        sort_pictures(config, classifier, answers)
    if single and single.answer:
        true = true_class(single.path, asked.parent, classifier.classes)
        save_picture(single, folder, classifier.classes, true, config.max_image_pixels)
    if not single and (accuracy := tally.accuracy_in_words()):
        put_line(accuracy)
    return tally


def sort_pictures(config: PredictConfig, classifier: Classifier, answers: Answers) -> None:
    """Put them into config.sort_into. Raises DataError where the disk does not take them."""
    folder = Path(config.sort_into)
    if not config.resume and folder.is_dir() and any(folder.iterdir()):
        put_line(
            one_line(f"{folder}: holds files already, which stay: a picture with another answer now is there twice")
        )
    sorter = Sorter(folder, config.sort_as, classifier.classes)
    for prediction in answers:
        sorter.add(prediction)
    put_line(one_line(f"sorted into {config.sort_into}: {sorter.in_words()}"))


def save_table(
    target: AbstractContextManager[Path],
    config: PredictConfig,
    answers: Answers,
    tally: Tally,
    ranks: int,
    *,
    shown: bool,
) -> None:
    """The table of all images. Raises DataError where it cannot be written, once the answers are `shown`."""
    try:
        with target as path, writing(path):
            write_predictions(path, answers, ranks, rejects=config.reject != "none")
    except DataError:
        if not shown:
            show(list(answers))
        raise
    put_line(one_line(f"{tally.in_words()}: {path}"))


def save_picture(
    prediction: Prediction, folder: Path, classes: Sequence[str], true: str | None, max_pixels: int
) -> None:
    """true: the class that the image's folder names."""
    from utils.prediction.picture import draw_prediction  # matplotlib takes a second to import

    with new_file(folder, Path(prediction.path).stem, ".jpg") as path:
        draw_prediction(path, prediction, classes, true, max_pixels)
    put_line(one_line(f"picture: {path}"))


def main() -> int:
    parser = OptionParser(description=__doc__)
    add_words(parser)
    add_config_options(parser, PredictConfig, "predict_config.py")
    arguments = read_options(parser)

    def command() -> None:
        overrides = overrides_of(arguments)
        config = load_predict_config(arguments.config, overrides)
        several = distributed.process_group(torch.device("cpu"), backend="gloo")  # no tensor of a GPU is exchanged
        with terminations_raise(), several if distributed.launched() else nullcontext():
            classify(config, overrides)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
