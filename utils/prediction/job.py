"""A prediction of any number of images: shared by processes, kept on the disk as it goes, gone on with after a kill."""

import contextlib
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import distributed
from ..config import PredictConfig
from ..console import put_line
from ..data.source import PackedPaths
from ..errors import DataError, OneProcessError, UserError
from ..files import writing
from ..lock import held
from ..text import one_line
from .classifier import Classifier
from .parts import OF_CLASSES, Parts, begin, entries, parts_folder
from .predictions import Prediction

OF_ANSWERS = ("batch_size", "topk", "tta", "reject", "min_confidence", "max_image_pixels", "class_indices_path")


def plan_of(config: PredictConfig, classifier: Classifier, paths: PackedPaths) -> dict[str, Any]:
    """What the answers depend on. Raises DataError where processes have found different images."""
    plan = {name: getattr(config, name) for name in OF_ANSWERS}
    status = os.stat(classifier.path)
    weights = [os.path.realpath(classifier.path), status.st_size, status.st_mtime_ns]
    plan |= {"weights": weights, "embed": bool(config.embed)}
    plan |= {"preprocess": classifier.preprocess.to_plain(), "images": len(paths), "checksum": paths.checksum()}
    # A file that decides over these has them in `decided`; what the config says instead is without effect.
    plan |= {name: classifier.decided.get(name, getattr(config, name)) for name in ("model_prefix", "model_suffix")}
    plan[OF_CLASSES] = zlib.crc32("/".join(classifier.classes).encode("utf-8", "surrogateescape"))
    if len(set(distributed.gather((len(paths), paths.checksum())))) > 1:
        raise DataError("predict_img_path: the processes have found different images; nothing may change meanwhile")
    return plan


@contextlib.contextmanager
def opened_parts(output: str, plan: dict[str, Any], *, resume: bool, width: int) -> Iterator[Parts]:
    """Where the answers are kept: beside `output`, until they are all in it; elsewhere for this job alone if it is ''.

    width: numbers in a row of features; 0 where none are kept.
    Raises ConfigError where a job to resume is another one, or another process works on the same output.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
        folder = Path(distributed.from_main(str(parts_folder(Path(output)) if output else Path(own, "parts"))))
        _on_main(partial(_make, folder))
        with held(folder, "prediction"):
            _on_main(partial(begin, folder, plan, resume=resume, width=width))
            try:
                yield Parts(folder, distributed.rank())
            except BaseException:
                if output and distributed.is_main() and any(folder.glob("*.jsonl")):
                    print(one_line(f"what is answered so far is kept: --resume goes on ({folder})"), file=sys.stderr)
                raise
            if distributed.is_main():  # while the folder is locked: another prediction may begin there as soon as not
                _empty(folder)
        if distributed.is_main():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _empty(folder: Path) -> None:
    """Remove what a prediction has left, but for its lock; what cannot be removed, as it is open elsewhere, stays."""
    for path in entries(folder):
        with contextlib.suppress(OSError):
            path.unlink()


def _make(folder: Path) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _on_main(action: Callable[[], None]) -> None:
    """Do it on rank 0. Raises what it raises there, and a DataError on the others then."""
    error: UserError | None = None
    try:
        if distributed.is_main():
            action()
    except UserError as problem:
        error = problem
    if any(distributed.gather(error is not None)):
        raise error or DataError("rank 0 has reported it")


def classify_share(config: PredictConfig, classifier: Classifier, paths: Sequence[str], parts: Parts) -> None:
    """Answer this process's share of the images, but for the batches that are there already.

    Raises OneProcessError where the disk takes no more, with the answers that it did not take printed.
    """
    size, count = config.batch_size, len(paths)
    parts.look()
    every = range(0, count, size)
    mine = every[distributed.rank() :: distributed.world_size()] if distributed.launched() else every
    starts = [start for start in mine if start not in parts]
    if len(starts) < len(mine) and distributed.is_main():
        put_line(one_line(f"resumed: {len(mine) - len(starts):,} of {len(mine):,} batches are answered already"))
    names = (paths[place] for start in starts for place in range(start, min(start + size, count)))
    bar = tqdm(starts, disable=None if len(mine) > 1 and distributed.is_main() else True)
    for start, answered in zip(bar, classifier.in_batches(names, size, config.topk, len(starts) * size)):
        try:
            parts.add(start, answered)
        except OneProcessError:
            show(answered.predictions)
            raise
    distributed.barrier()


def show(predictions: Sequence[Prediction], *, named: bool = True) -> None:
    """Print the classes of each image, the likeliest first; behind its path, where it is `named` or has none."""
    for prediction in predictions:
        reason = prediction.error or prediction.rejected
        if named or reason:
            put_line(one_line(f"{prediction.path}: {reason}".removesuffix(": ")))
        for name, probability in prediction.ranked:
            put_line(one_line(f"{probability:8.2%}  {name}"))
