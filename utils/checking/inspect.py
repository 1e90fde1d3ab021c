"""One file, fully decoded: what it is, and what is odd about it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

from ..data.images import MAX_PIXELS, exif_orientation, open_image, read_image
from ..errors import ImageError
from .fingerprint import Fingerprint, fingerprint

MODES = {  # how Pillow calls them -> in words; all are turned into RGB when they are read
    "RGB": "colour",
    "L": "grey",
    "1": "black and white",
    "P": "palette",
    "RGBA": "colour with transparency",
    "RGBa": "colour with transparency",
    "LA": "grey with transparency",
    "La": "grey with transparency",
    "PA": "palette with transparency",
    "CMYK": "CMYK, for print",
    "YCbCr": "YCbCr",
    "LAB": "CIELAB",
    "HSV": "HSV",
    "F": "floating point",
}
ROTATED, TINY, HUGE, STRETCHED = "turned by EXIF", "tiny", "huge", "stretched"
UNREADABLE, ENDING = "unreadable", "wrong ending"


@dataclass(frozen=True)
class Limits:
    """What counts as odd, and what is not even decoded."""

    min_side: int = 32  # pixels of the shorter side
    max_megapixels: float = 50.0
    max_aspect: float = 3.0  # longer side / shorter side: as much does squashing to a square change the shape
    max_pixels: int = MAX_PIXELS  # of a picture that is decoded

    def in_words(self, kind: str) -> str:
        """What makes a picture one of this kind, with the option that sets the limit; '' where no number does."""
        return {
            TINY: f"shorter side below {self.min_side} pixels (--min-side)",
            HUGE: f"more than {self.max_megapixels:g} megapixels (--max-megapixels)",
            STRETCHED: f"longer side more than {self.max_aspect:g} times the shorter (--max-aspect)",
        }.get(kind, "")


@dataclass(frozen=True)
class Inspected:
    """What one file is. Where it cannot be read, `problems` says why; the rest is from its header, or empty."""

    bytes: int = 0
    format: str = ""
    mode: str = ""
    width: int = 0  # of the upright picture
    height: int = 0
    problems: dict[str, str] = field(default_factory=dict)  # kind -> detail
    print: Fingerprint | None = None

    @property
    def readable(self) -> bool:
        return self.print is not None


def mode_in_words(mode: str) -> str:
    return "grey of 16 or 32 bits" if mode.startswith("I") else MODES.get(mode, mode)


def inspect(path: str, limits: Limits) -> Inspected:
    """Decode the file and judge it; whatever is wrong with it is in the result, never raised."""
    size, header = _header(path, limits.max_pixels)
    try:
        picture = read_image(path, limits.max_pixels)
    except ImageError as error:
        return Inspected(size, *header[:4], problems={UNREADABLE: str(error)})
    width, height = picture.size
    problems = dict(_oddities(path, header, picture, limits))
    return Inspected(size, header[0], header[1], width, height, problems, fingerprint(picture))


def _header(path: str, max_pixels: int) -> tuple[int, tuple[str, str, int, int, bool]]:
    """(bytes, (format, mode, width, height, whether EXIF turns it)); 0 and empty where they cannot be read."""
    try:
        size = os.path.getsize(path)
    except OSError:
        return 0, ("", "", 0, 0, False)
    try:
        with open_image(path, max_pixels) as image:
            turned = exif_orientation(image) in range(2, 9)
            return size, (image.format or "", image.mode, image.width, image.height, turned)
    except Exception:  # read_image reports the reason
        return size, ("", "", 0, 0, False)


def _oddities(path: str, header: tuple, picture: Image.Image, limits: Limits) -> Iterator[tuple[str, str]]:
    form, turned = header[0], header[4]
    ending = os.path.splitext(path)[1].lower()
    expected = Image.registered_extensions().get(ending)
    if {"MPO": "JPEG"}.get(form, form) != expected:
        yield ENDING, f"ends in {ending}, is {form}"
    short, long = sorted(picture.size)
    if short < limits.min_side:
        yield TINY, f"{picture.width}x{picture.height} pixels"
    if short * long > limits.max_megapixels * 1e6:
        yield HUGE, f"{picture.width}x{picture.height} pixels"
    if long > short * limits.max_aspect:
        yield STRETCHED, f"{picture.width}x{picture.height} pixels, {long / short:.1f} : 1"
    if turned:
        yield ROTATED, "is read upright"
