"""A look at some of the pictures: their sizes, and whether they have colours."""

import statistics
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ..data.images import decode, reduction_to, upright_size
from ..data.source import Source
from ..errors import ImageError

SAMPLE = 64  # pictures whose headers are read; of half of them the pixels
SMALL = (64, 64)  # pixels that are enough to tell grey from colour
GREY = 8  # levels by which the channels of a grey JPEG may differ


def look_at(images: Source) -> tuple[tuple[int, int], bool]:
    """The median (height, width) of a sample of the pictures, and whether none of them has colours."""
    sizes, grey = [], True
    for number, picture in enumerate(sample(images, SAMPLE)):
        with picture:
            sizes.append(upright_size(picture))
            if grey and number % 2 == 0:
                grey = is_grey(picture)
    if not sizes:
        return (224, 224), False
    heights, widths = zip(*sizes)
    return (int(statistics.median_low(heights)), int(statistics.median_low(widths))), grey


def sample(images: Source, most: int) -> Iterator[Image.Image]:
    """Opened pictures, evenly spread over the list; what cannot be read is left out, as its turn to be named comes."""
    places = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))
    for place in places:
        try:
            yield images.open(int(place))
        except ImageError:
            continue


def is_grey(picture: Image.Image) -> bool:
    """Whether an opened picture has no colours; one that cannot be decoded has none."""
    try:
        size = upright_size(picture)
        small = decode(picture, reduction_to(size, SMALL)).resize(SMALL[::-1], Image.Resampling.BOX)
    except ImageError:
        return True
    pixels = np.asarray(small, dtype=np.int16)
    return int((pixels.max(axis=2) - pixels.min(axis=2)).max()) <= GREY
