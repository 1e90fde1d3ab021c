"""Whether images that a checkpoint is evaluated on lie among those that it was trained on."""

import os
from pathlib import Path
from typing import Any

from ..config.keys import TrainConfig
from ..data.copies import copies_between
from ..data.listing import scan
from ..data.source import Source
from ..errors import DataError
from ..log import log
from .splits import listing_of

NAMED = 3  # images or pairs
CONSEQUENCE = "so the figures are better than those of new images"


def warn_of_trained_images(config: TrainConfig, checkpoint: dict[str, Any], images: Source) -> None:
    """A warning that names the images that the checkpoint's run has read in its train folder, or copies of them.

    Nothing is said where that folder is no longer where it was. Files are compared as they are, byte for byte: a
    picture that was saved again is another file. The folder itself is not compared with itself.
    """
    folder = Path(checkpoint["config"]["img_path"]) / "train"
    if os.path.realpath(images.root) == os.path.realpath(folder):
        log.warning(f"{images.root}: the images that the checkpoint was trained on, {CONSEQUENCE}")
        return
    try:
        trained = scan(folder, listing=listing_of(config))
    except DataError:
        return
    evaluated = [images.name(index) for index in range(len(images))]
    pairs = copies_between(evaluated, [trained.name(index) for index in range(len(trained))])
    same: list[str] = []  # by a link, say
    copies: list[str] = []
    for one, other in pairs:
        if os.path.realpath(one) == os.path.realpath(other):
            same.append(one)
        else:
            copies.append(f"{one} = {other}")
    for found, are in ((same, "are files"), (copies, "are copies of images")):
        if found:
            more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
            log.warning(
                f"{len(found):,} of {len(images):,} images of {images.root} {are} in {folder}, which the checkpoint "
                f"was trained on, {CONSEQUENCE}: {', '.join(found[:NAMED])}{more}"
            )
