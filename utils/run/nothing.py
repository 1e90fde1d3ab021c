"""A run all of whose files were left out, of train or of val: it ends, as nothing was learnt or measured."""

from ..data.source import Source
from ..errors import DataError
from ..training.metrics import Evaluation
from ..training.state import Progress

HINT = "tools/check_data.py says what is wrong with each file"


def check_trained(images: Source, progress: Progress) -> None:
    """Raises DataError after an epoch of `images`, summed over the ranks, that had none to train on."""
    if progress.images or progress.non_finite or not progress.bad:
        return
    if progress.lone:
        raise DataError(
            f"{images.root}: {len(progress.bad):,} images cannot be read, so that no batch of the epoch has two that "
            f"can, and BatchNorm cannot learn from a single one; raise batch_size or mend the files named above; {HINT}"
        )
    raise DataError(f"{images.root}: no image of train can be read, so that nothing was learnt; {HINT}")


def check_evaluated(images: Source, evaluation: Evaluation, split: str) -> None:
    """Raises DataError after an evaluation, summed over the ranks, that was shown no image of `split`."""
    if evaluation.bad and not evaluation.confusion.sum():
        raise DataError(f"{images.root}: no image of {split} can be read, so that there is nothing to measure; {HINT}")
