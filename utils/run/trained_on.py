"""Whether images that a checkpoint is evaluated on lie among those that it was trained on."""

from pathlib import Path
from typing import Any

from ..config.keys import TrainConfig
from ..data.copies import copies_between
from ..data.listing import scan
from ..data.source import Source
from ..errors import DataError
from ..log import log
from .splits import listing_of

NAMED = 3  # pairs


def warn_of_trained_images(config: TrainConfig, checkpoint: dict[str, Any], images: Source) -> None:
    """A warning that names the images with a copy in the train folder that the checkpoint's run has read.

    Nothing is said where that folder is no longer where it was. Files are compared as they are, byte for byte: a
    picture that was saved again is another file.
    """
    folder = Path(checkpoint["config"]["img_path"]) / "train"
    try:
        trained = scan(folder, listing=listing_of(config))
    except DataError:
        return
    evaluated = [images.name(index) for index in range(len(images))]
    if not (pairs := copies_between(evaluated, [trained.name(index) for index in range(len(trained))])):
        return
    named = ", ".join(f"{one} = {other}" for one, other in pairs[:NAMED])
    more = f" and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else ""
    log.warning(
        f"{len(pairs):,} of {len(images):,} images of {images.root} are copies of images in {folder}, which the "
        f"checkpoint was trained on, so the figures are better than those of new images: {named}{more}"
    )
