"""Reading an image: one function for training, validation, prediction and the tools."""

import contextlib
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError
from ..torch_private import jpeg_decoder
from .pixels import to_tensor

MAX_PIXELS = 178_956_970  # where nothing else is asked for: what Pillow takes for a decompression bomb is larger
# Pillow warns from half of it on, without the file's name
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
# Found by content, whatever the ending says. Pillow knows more, some of them programs (EPS is handed to Ghostscript).
FORMATS = ["JPEG", "PNG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000"]
FORMATS += ["AVIF"] if find_spec("PIL.AvifImagePlugin") else []  # since Pillow 11.3
TO_8_BITS = np.round(np.arange(2**16) / 257).astype(np.uint8)
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262  # tags of TIFF


def read_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in `path` as mode RGB, upright, fully decoded; see `open_image` and `decode`.

    Raises ImageError with the reason if the file is missing, empty, damaged, cut short, or too large.
    """
    return decode(open_image(path, max_pixels))


def open_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture by its header, still to be decoded. Raises ImageError, for a pipe or a device too.

    max_pixels: the most that a picture may have, since a small file can claim more than fits into memory.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for a writer, reading a device never end
            raise ImageError("a folder, no image" if os.path.isdir(path) else "no regular file, but a pipe or a device")
        picture = _opened(path, max_pixels)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        claimed = re.search(r"\d+", str(error))
        raise ImageError(_too_large(int(claimed[0]) if claimed else 0, max_pixels)) from None
    except Exception as error:
        raise ImageError(_reason(path, error)) from error
    if (pixels := picture.width * picture.height) > max_pixels:
        picture.close()
        raise ImageError(_too_large(pixels, max_pixels))
    return picture


def _opened(path: str | os.PathLike, max_pixels: int) -> Image.Image:
    """As Pillow opens it, whose own limit does not count. Raises DecompressionBombError far beyond `max_pixels`."""
    with contextlib.suppress(Image.DecompressionBombError):
        return Image.open(path, formats=FORMATS)
    with _limit_of_pillow(max_pixels):
        return Image.open(path, formats=FORMATS)


@contextlib.contextmanager
def _limit_of_pillow(pixels: int) -> Iterator[None]:
    """Pillow's limit, which is one for the whole process, as long as one file is opened; one thread after the other."""
    with _LIMIT:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = pixels  # twice as many are an error
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


_LIMIT = threading.Lock()


def _too_large(pixels: int, limit: int) -> str:
    claimed, most = (f"{number:,} pixels ({number / 1e6:,.1f} megapixels)" for number in (pixels, limit))
    return (
        f"refused as a decompression bomb: {claimed}, the limit is {most}; if you trust the file, read it with "
        f"max_image_pixels = {pixels} (a tool: --max-image-pixels {pixels})"
    )


def decode(picture: Image.Image, reduction: int = 1) -> Image.Image:
    """An opened picture as mode RGB, upright, decoded; its file is closed.

    EXIF orientation is applied; the first frame of an animation is taken; transparent parts become white; integers of
    12, 16 or 32 bits are scaled by their depth; CMYK, LAB, palette, grey and float pictures are converted. Colour
    profiles are not applied.
    reduction: 1, 2, 4 or 8; where `is_reducible` allows it, a JPEG is decoded to so much smaller sides, rounded up,
    by fewer frequencies of its cosine transform. Every other picture stays as large as it is.
    Raises ImageError as `read_image`.
    """
    try:
        with picture:
            if reduction > 1 and is_reducible(picture, reduction):
                picture.draft(None, (picture.width // reduction, picture.height // reduction))
            picture.load()
            return _to_rgb(_unfold(_upright(picture)))
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file drives them to
        raise ImageError(_reason(getattr(picture, "filename", ""), error)) from error


def decoded_and_size(
    picture: Image.Image, reduction: Callable[[tuple[int, int]], int]
) -> tuple[Image.Image, tuple[int, int]]:
    """What `decode` gives with the `reduction` that suits a size, and (height, width) before it. Raises ImageError."""
    size = upright_size(picture)
    whole = decode(picture, reduction(size))
    if (whole.width, whole.height) == size:  # turned by a tag that comes after the pixels, as a PNG may have it
        size = size[::-1]
    return whole, size


def decoded_pixels(picture: Image.Image, reduction: int = 1) -> Tensor:
    """What `decode` gives, bit for bit, as (H, W, 3) uint8.

    A JPEG file in full size that needs neither turning nor converting is decoded by torchvision: by the same library,
    in five sixths of the time that it takes through Pillow's rows of four bytes a pixel.
    """
    pixels = _decoded_at_once(picture) if reduction == 1 else None
    return to_tensor(decode(picture, reduction)) if pixels is None else pixels


def _decoded_at_once(picture: Image.Image) -> Tensor | None:
    """None where Pillow is to decode it."""
    file = getattr(picture, "fp", None)  # None once the picture is decoded
    plain = picture.format == "JPEG" and picture.mode == "RGB" and exif_orientation(picture) == 1
    if file is None or not plain or (decoder := jpeg_decoder()) is None:
        return None
    try:
        file.seek(0)
        data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
        pixels = decoder(data).permute(1, 2, 0)
    except (RuntimeError, OSError):  # Pillow reads it after all, or has the reason in words
        return None
    picture.close()
    return pixels


def is_reducible(picture: Image.Image, reduction: int) -> bool:
    """Whether `decode` gives an opened picture at sides divided by `reduction`, which is 2, 4 or 8.

    Of a picture still to be turned it must divide both sides: the rest of a pixel would move from the end to the start.
    """
    divides = picture.width % reduction == picture.height % reduction == 0
    known = picture.format == "JPEG" and picture.mode in ("RGB", "L")
    return known and (divides or exif_orientation(picture) == 1)


def reduction_to(size: tuple[int, int], needed: tuple[int, int]) -> int:
    """The largest reduction, 1, 2, 4 or 8, that leaves `needed` of `size`; both (height, width)."""
    for reduction in (8, 4, 2):
        if size[0] // reduction >= needed[0] and size[1] // reduction >= needed[1]:
            return reduction
    return 1


def image_size(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) of the upright picture, from its header alone. Raises ImageError as `open_image`."""
    with open_image(path, max_pixels) as picture:
        return upright_size(picture)


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """(height, width) that an opened picture has once it is decoded. Raises ImageError."""
    try:
        turned = exif_orientation(picture) in (5, 6, 7, 8)
    except Exception as error:
        raise ImageError(_reason(getattr(picture, "filename", ""), error)) from error
    return (picture.width, picture.height) if turned else (picture.height, picture.width)


def exif_orientation(image: Image.Image) -> int:
    """How an opened picture is still to be turned, from its header: 1 not at all, 2..8 as EXIF has it."""
    # The base class's getexif: that of PNG would decode the picture. Pillow turns TIFF by itself.
    return 1 if image.format == "TIFF" else Image.Image.getexif(image).get(0x0112, 1)


def _unfold(image: Image.Image) -> Image.Image:
    """The decoded values as they are meant, where Pillow does not read them so."""
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        return ImageChops.invert(image)  # Pillow takes every such file for one of Adobe's, which store the complement
    if image.format == "TIFF" and image.mode.startswith("I;16") and hasattr(image, "tag_v2"):
        depth = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
        white_is_zero = image.tag_v2.get(PHOTOMETRIC) == 0
        if depth < 16 or white_is_zero:
            values = np.asarray(image).astype(np.uint32) * (2**16 - 1) // (2**depth - 1)
            return Image.fromarray((2**16 - 1 - values if white_is_zero else values).astype(np.uint16))
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        if block := image.info.get("exif"):  # of a PNG also what came after the pixels, which `getexif` has not seen
            image.getexif().load(block)
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # the picture is good even where its EXIF block is not
        return image
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        pixels = _to_8_bits(values)
        if (clear := image.info.get("transparency")) is not None:
            pixels[values == clear] = 255
        return Image.fromarray(pixels).convert("RGB")
    if image.mode in TRANSPARENT or "transparency" in image.info:
        image = image.convert("LA") if image.mode == "La" else image
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast(Image.Image, ImageCms.profileToProfile(image, *profiles, outputMode="RGB"))  # None if in place
    return image.convert("RGB")


def _to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Grey values of any depth -> uint8. The depth is the least of 8 (floats), 16 and 32 bits that holds them all.

    Floats within 0..1 fill the whole range. (Pillow opens 16-bit PNG and PGM as 16 or as 32-bit integers.)
    """
    if pixels.dtype == np.uint16:
        return TO_8_BITS[pixels]
    values = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    depths = (1, 2**8 - 1, 2**16 - 1, 2**32 - 1) if pixels.dtype.kind == "f" else (2**16 - 1, 2**32 - 1)
    top = values.max(initial=0.0)
    full = next((depth for depth in depths if top <= depth), top)
    return np.round(values * (255 / full)).astype(np.uint8)


def _reason(path: str | os.PathLike, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a known format"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.strerror
    return " ".join(f"{type(error).__name__}: {error}".split())
