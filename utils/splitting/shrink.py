"""Smaller copies of large pictures, so that training does not decode camera-size files in every epoch."""

import os
from functools import partial
from pathlib import Path

from PIL import Image

from ..data.images import open_image, read_image
from ..errors import ImageError
from ..thread_pool import in_threads
from .sources import LabelledFiles

JPEG_QUALITY = 95  # a JPEG stays a JPEG; all else becomes PNG, which loses nothing
ENDINGS = {"JPEG": (".jpg", ".jpeg", ".jfif"), "PNG": (".png",)}
GREY = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


def shrink_large(
    source: LabelledFiles, folder: Path, side: int, max_pixels: int
) -> tuple[dict[int, str], dict[int, str]]:
    """Write a copy of every picture whose longer side exceeds `side` pixels into `folder`, shrunk to that side.

    Returns (image -> path of its copy, image -> why it cannot be read). Smaller pictures are decoded too, since their
    headers do not tell whether they are whole.
    max_pixels: of a picture, as `images.open_image` has it.
    """
    folder.mkdir()
    shrink = partial(_shrink, folder=folder, side=side, max_pixels=max_pixels)
    copies, reasons = {}, {}
    for i, (copy, reason) in enumerate(in_threads(shrink, list(enumerate(source.paths)), "shrinking")):
        if copy:
            copies[i] = copy
        if reason:
            reasons[i] = reason
    return copies, reasons


def _shrink(numbered_path: tuple[int, str], *, folder: Path, side: int, max_pixels: int) -> tuple[str, str]:
    """(path of the smaller copy, reason why there is none), each empty if it does not apply."""
    number, path = numbered_path
    try:
        picture = read_image(path, max_pixels)  # upright, RGB
    except ImageError as error:
        return "", str(error)
    if max(picture.size) <= side:
        return "", ""
    with open_image(path, max_pixels) as image:
        kind = "JPEG" if image.format in ("JPEG", "MPO") else "PNG"
        grey, profile = image.mode in GREY, image.info.get("icc_profile")
    ending = os.path.splitext(path)[1]
    copy = folder / f"{number}{ending if ending.lower() in ENDINGS[kind] else ENDINGS[kind][0]}"
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    if grey:
        picture = picture.convert("L")
    # Pixel values stay as training reads them; a profile of another colour space (CMYK, grey) would not fit them now.
    keep = profile if profile and profile[16:20] == b"RGB " and not grey else None
    picture.save(copy, kind, quality=JPEG_QUALITY, icc_profile=keep)
    return str(copy), ""
