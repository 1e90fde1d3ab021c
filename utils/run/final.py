"""The end of a run: best.pth over val, where it is calibrated, and over test, which nothing has opened before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from .. import distributed
from ..data.batches import ImageLoader
from ..data.loaders import evaluation_loader
from ..data.source import Source, Splits
from ..figures.summary import Summary, chosen_threshold, summarise
from ..figures.temperature import fit_temperature
from ..files import write_json
from ..log import log
from ..report import run_tables
from ..report.answer_tables import write_reliability
from ..report.evaluation import write_tables
from ..training.answers import AllLogits
from ..training.build import make_model, make_recipe
from ..training.evaluate import evaluate
from ..training.meters import Meter
from ..training.metrics import Answers, Evaluation
from ..training.state import Recipe
from ..weights.checkpoint import BEST, load_checkpoint
from ..weights.checkpoint_schema import validated
from ..weights.load import fill_whole
from ..weights.preprocess_schema import read_preprocess
from .folder import RunFolder
from .known import Knowing

if TYPE_CHECKING:
    from .begin import Parts

Write = Callable[[str, Callable[[], None]], None]
NameBad = Callable[[Source, Sequence[tuple[int, str]]], None]


@dataclass(frozen=True)
class Judgement:
    """What is known of a network on a split."""

    split: str  # 'train', 'val' or 'test'
    images: Source
    answers: Answers
    summary: Summary
    bad: list[tuple[int, str]]  # (index, reason) of images left out
    chosen_on: bool  # whether the network was chosen by these images

    def sentence(self) -> str:
        """Accuracy with its interval, and of how many images."""
        found, images = self.summary, len(self.answers.targets)
        name = f"{self.split} (chosen on)" if self.chosen_on else self.split
        return (
            f"{name}: accuracy {100 * found.metrics.accuracy:.1f} % {found.accuracy_interval} of {images:,} images, "
            f"macro F1 {100 * found.metrics.f1:.1f} % {found.macro_intervals.f1}"
        )

    def to_plain(self) -> dict[str, Any]:
        """For the json file."""
        unreadable = [self.images.name(index) for index, _ in self.bad]
        return {"split": self.split, "chosen_on": self.chosen_on, **self.summary.overall(), "unreadable": unreadable}


def conclude(parts: Parts, folder: RunFolder, write: Write, stop: Callable[[], None], name_bad: NameBad) -> None:
    """Evaluate the weights in best.pth, calibrate them and write the tables.

    write: called with a name and what writes, which may be called later, when there is room.
    stop: called after every batch or every few on all ranks; it may raise on all of them.
    name_bad: called with what could not be read; the run may have named some of it before.
    """
    config, splits, device = parts.config, parts.splits, parts.recipe.device
    # an image that cannot be read any more is left out: a training that is done should not end with an error
    lenient = replace(config, on_bad_image="skip")
    path = folder.path / BEST
    content = load_checkpoint(path) if distributed.is_main() else None
    model = make_model(config, device, len(splits.classes))
    if content is not None:
        fill_whole(model, validated(content, path)["net"], f"{path}: net")
    distributed.share_state(model)
    # its own, which is another one where a run was resumed with other pictures and none of its epochs was better
    preprocess = read_preprocess(distributed.from_main(content["preprocess"] if content else None))
    recipe = make_recipe(config, model, device, preprocess)
    knowing = Knowing(model, lenient, recipe) if config.keep_features else None
    if knowing:
        knowing.see_train(splits.training, preprocess, stop)
    temperature, threshold = 1.0, None
    for split, images in (("val", splits.val), ("test", splits.test)):
        if images is None:
            continue
        meters = [knowing.meter_of(images)] if knowing and split == "val" else []
        made = split != "val" or preprocess != parts.preprocess  # else the loading processes of val are there already
        loader = evaluation_loader(lenient, images, preprocess, device) if made else parts.val_loader
        loader.dataset.skip_bad = True  # also of val: its loading processes report images, this one decides
        answers, bad = answers_of(model, loader, len(images.classes), recipe, stop, split, meters)
        if answers is None or content is None:
            continue  # not rank 0
        name_bad(images, bad)
        if not len(answers.targets):
            log.warning(f"{images.root}: no image of {split} can be read, so that nothing is said of it")
            continue
        if split == "val":
            temperature = fit_temperature(answers.logits, answers.targets) if config.calibrate else 1.0
            known = knowing.result(answers, temperature) if knowing else None
            more = {"temperature": temperature, "known": known and known.to_plain()}
            write(BEST, partial(folder.save, BEST, {**content, **more}))
            threshold = chosen_threshold(answers.logits, answers.targets, temperature)
        summary = summarise(answers.logits, answers.targets, temperature, threshold)
        found = Judgement(split, images, answers, summary, bad, chosen_on=split == "val")
        tables = partial(record, folder.path, found, prefix="" if split == "val" else f"{split}_")
        write(f"the tables of {split}", tables)
        log.info(found.sentence())


def judge(split: str, images: Source, found: Evaluation, temperature: float, *, own: bool) -> Judgement | None:
    """What is known of a network by one split alone; None without answers, as on ranks other than 0.

    own: whether the images are of the run that the network comes from, whose val has chosen it.
    """
    if (answers := found.answers) is None:
        return None
    on_val, before = split == "val", found.uncalibrated.logits if found.uncalibrated else None
    threshold = chosen_threshold(answers.logits, answers.targets, temperature) if on_val else None
    summary = summarise(answers.logits, answers.targets, temperature, threshold, uncalibrated=before)
    return Judgement(split, images, answers, summary, found.bad, chosen_on=on_val and own)


def name_unreadable(images: Source, bad: Sequence[tuple[int, str]]) -> None:
    for index, reason in bad:
        log.warning(f"left out, cannot be read: {images.name(index)}: {reason}")


def seconds_of_conclusion(splits: Splits, evaluation: float, models: int, of_train: int = 0) -> float:
    """What `conclude` takes, by the seconds in which so many models were shown val.  of_train: images that it sees."""
    images = len(splits.val) + (len(splits.test) if splits.test else 0) + of_train
    return evaluation / models * images / len(splits.val)


def record(folder: Path, found: Judgement, *, prefix: str = "") -> None:
    """<split>_results.json, and behind `prefix` the tables of classes, images and curves; a line in results.txt."""
    answers, summary = found.answers, found.summary
    write_json(folder / f"{found.split}_results.json", found.to_plain(), indent=2)
    names = [found.images.name(int(index)) for index in answers.indices]
    write_tables(folder, names, answers, found.images.classes, summary, prefix=prefix)
    bins = {"uncalibrated": summary.raw_reliability, "calibrated": summary.reliability}
    write_reliability(folder, bins, prefix)
    run_tables.add_to_results_text(folder, found.split, found.sentence())


def answers_of(
    model: nn.Module,
    loader: ImageLoader,
    num_classes: int,
    recipe: Recipe,
    stop: Callable[[], None],
    name: str,
    more: Sequence[Meter] = (),
) -> tuple[Answers | None, list[tuple[int, str]]]:
    """The logits of all images, on rank 0 alone; on every rank what could not be read. more: meters of the same."""
    meter = AllLogits(num_classes, recipe.device)
    bad = evaluate([model], loader, recipe, [[meter, *more]], stop=stop, name=name)
    return meter.result(), bad
