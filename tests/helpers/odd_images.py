"""Odd image files: how each is written, and the pixels that it holds or the reason why there are none."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, features

from tests.helpers.image_files import jpeg_of_size, png, png_header, tiff, without_segment

RED, WHITE = (250, 0, 0), (255, 255, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Odd(NamedTuple):
    name: str  # of the file; the folder before a slash makes equal names differ
    write: Any  # writes the file whose path it gets
    expected: Any  # colour all over, (H, W, 3) pixels, or a part of the reason why there are none
    tolerance: int = 0
    size: tuple = (5, 4)  # (width, height), where `expected` is a colour

    def pixels(self):
        whole = (*self.size[::-1], 3) if isinstance(self.expected, tuple) else self.expected.shape
        return np.broadcast_to(np.array(self.expected), whole)


def flat(mode, colour, size=(5, 4), **options):
    """Writes a picture of one colour with Pillow, in the format of the ending or of `format`."""
    return lambda path: Image.new(mode, size, colour).save(path, **options)


def content(data):
    return lambda path: path.write_bytes(data)


def bmp(width, height, bits, data=b""):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(data), 0, 0, 0, 0)
    return content(b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + header + data)


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def noise(**options):
    return lambda path: Image.fromarray(NOISE).save(path, **options)


def half(kind):
    whole = encoded(Image.fromarray(np.tile(NOISE, (4, 4, 1))), kind)
    return content(whole[: len(whole) // 2])


def frames(**options):
    first, *rest = (Image.new("RGB", (5, 4), colour) for colour in (RED, (0, 250, 0), (0, 0, 250)))
    return lambda path: first.save(path, save_all=True, append_images=rest, **options)


def palette(**options):
    def write(path):
        picture = Image.new("P", (2, 1))
        picture.putpalette([200, 0, 0, 0, 200, 0])
        picture.putpixel((1, 0), 1)
        picture.save(path, **options)

    return write


def turned(orientation):
    """A JPEG whose upright picture has a bright left half."""
    upright = np.full((16, 32, 3), 20, dtype=np.uint8)
    upright[:, :16] = 220
    to_stored = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]  # Image.Transpose, the inverse of what EXIF asks for
    picture = Image.fromarray(upright)
    stored = picture if to_stored is None else picture.transpose(Image.Transpose(to_stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Odd(f"{orientation}/exif.jpg", lambda path: stored.save(path, exif=exif, quality=95), upright, tolerance=6)


def words(*values):
    """(5, 4) pixels of 16-bit values, as bytes of either order."""
    return {order: np.tile(np.array(values, dtype=f"{order}u2"), 20).tobytes() for order in "<>"}


def grey_png(depth, byte, value):
    return Odd(f"{depth} bits/x.png", lambda path: png(path, depth, 0, np.full((4, 1), byte)), (value,) * 3,
               size=(8 // depth, 4))  # fmt: skip


CMYK = encoded(Image.new("CMYK", (16, 16), (0, 200, 100, 0)), "JPEG", quality=100)
COMPLEMENT = encoded(Image.new("CMYK", (16, 16), (255, 55, 155, 255)), "JPEG", quality=100)
JPEG = encoded(Image.fromarray(NOISE), "JPEG")
PNG = encoded(Image.fromarray(NOISE), "PNG")
DAMAGED = bytearray(PNG)
DAMAGED[len(PNG) // 2] ^= 255

MODES = [
    Odd("1/x.png", flat("1", 1), WHITE),
    Odd("L/x.png", flat("L", 77), (77, 77, 77)),
    Odd("LA/x.png", flat("LA", (50, 0)), WHITE),
    Odd("RGB/x.png", noise(), NOISE),
    Odd("RGBA/x.png", flat("RGBA", (0, 0, 100, 51)), (204, 204, 224)),
    Odd("I;16/x.png", flat("I;16", 25700), (100, 100, 100)),
    Odd("P/x.png", palette(), np.array([[[200, 0, 0], [0, 200, 0]]])),
    Odd("P and a transparent colour/x.png", palette(transparency=1), np.array([[[200, 0, 0], WHITE]])),
    Odd("P and alpha/x.png", palette(transparency=b"\xff\x00"), np.array([[[200, 0, 0], WHITE]])),
    Odd("1 and a transparent colour/x.png", flat("1", 0, transparency=0), WHITE),
    Odd("L and a transparent colour/x.png", flat("L", 9, transparency=9), WHITE),
    Odd("RGB and a transparent colour/x.png", flat("RGB", (9, 9, 9), transparency=(9, 9, 9)), WHITE),
    Odd("1/x.tif", flat("1", 1), WHITE),
    Odd("LA/x.tif", flat("LA", (0, 51)), (204, 204, 204)),
    Odd("RGBX/x.tif", flat("RGBX", (10, 20, 30, 0)), (10, 20, 30)),
    Odd("CMYK/x.tif", flat("CMYK", (0, 255, 0, 0)), (255, 0, 255)),
    Odd("YCbCr/x.tif", flat("YCbCr", (128, 128, 128)), (128, 128, 128)),
    Odd("LAB/x.tif", flat("LAB", (255, 128, 128)), WHITE, tolerance=2),
    Odd("P/x.tif", palette(), np.array([[[200, 0, 0], [0, 200, 0]]])),
    Odd("I/x.tif", flat("I", 65535), WHITE),
    Odd("I;16B/x.tif", flat("I;16B", 25700), (100, 100, 100)),
    Odd("F/x.tif", flat("F", 0.4), (102, 102, 102)),
]
DEPTHS = [
    grey_png(1, 0xFF, 255),
    grey_png(2, 0b01010101, 85),
    grey_png(4, 0x44, 68),
    Odd("colours of 16 bits/x.png", lambda path: png(path, 16, 2, np.full((4, 5, 3), 25700)), (100,) * 3, tolerance=1),
    Odd("alpha of 16 bits/x.png", lambda path: png(path, 16, 6, np.full((4, 5, 4), (25700, 0, 0, 65535))), (100, 0, 0)),
    Odd("grey and alpha of 16 bits/x.png", lambda path: png(path, 16, 4, np.full((4, 5, 2), (25700, 0))), WHITE),
    *(
        Odd(f"16 bits {order}/x.tif", lambda path, order=order: tiff(
            path, (5, 4), (16,) * 3, 2, words(25700, 0, 51400)[order], order=order), (100, 0, 200))
        for order in "<>"
    ),
    Odd("RGBA of 16 bits/x.tif", lambda path: tiff(
        path, (5, 4), (16,) * 4, 2, words(25700, 0, 51400, 0)["<"], extra=(2,)), WHITE),
    Odd("CMYK of 16 bits/x.tif", lambda path: tiff(
        path, (5, 4), (16,) * 4, 5, words(0, 65535, 0, 0)["<"]), (255, 0, 255)),
    Odd("white is zero/x.tif", lambda path: tiff(path, (5, 4), (8,), 0, bytes([55]) * 20), (200,) * 3),
    Odd("white is zero in 16 bits/x.tif", lambda path: tiff(
        path, (5, 4), (16,), 0, words(65535 - 25700)["<"]), (100,) * 3),
    Odd("12 bits/x.tif", lambda path: tiff(
        path, (4, 5), (12,), 1, bytes.fromhex("7ff7ff") * 10), (127,) * 3, size=(4, 5)),
    Odd("plain 16 bits/x.pgm", content(b"P2 1 1 65535 25700\n"), (100,) * 3, size=(1, 1)),
    Odd("up to 100/x.pgm", content(b"P2 1 1 100 40\n"), (102,) * 3, size=(1, 1)),
    Odd("plain bits/x.ppm", content(b"P1 2 1\n0 1\n"), np.array([[WHITE, (0, 0, 0)]])),
    Odd("5 bits a colour/x.bmp", bmp(2, 1, 16, b"\xe0\x03\xe0\x03"), (0, 255, 0), size=(2, 1)),
]  # fmt: skip
KINDS = [
    Odd("Adobe/cmyk.jpg", content(CMYK), (255, 55, 155), tolerance=4, size=(16, 16)),
    Odd("no Adobe/cmyk.jpg", content(without_segment(COMPLEMENT, 0xEE)), (255, 55, 155), tolerance=4, size=(16, 16)),
    Odd("grey.jpg", flat("L", 77), (77, 77, 77), tolerance=1),
    Odd("progressive.jpg", flat("RGB", RED, progressive=True), RED, tolerance=5),
    Odd("garbage behind.jpg", content(encoded(Image.new("RGB", (5, 4), RED), "JPEG") + b"\0garbage" * 99), RED, 5),
    Odd("icc.jpg", flat("RGB", RED, icc_profile=ICC), RED, tolerance=5),
    Odd("icc.png", noise(icc_profile=ICC), NOISE),
    Odd("mpo.jpg", frames(format="MPO"), RED, tolerance=5),
    *(turned(orientation) for orientation in range(1, 9)),
    Odd("animated.gif", frames(), RED),
    Odd("transparent.gif", palette(transparency=1), np.array([[[200, 0, 0], WHITE]])),
    Odd("lossless.webp", noise(lossless=True), NOISE),
    Odd("clear.webp", flat("RGBA", (10, 20, 30, 0), lossless=True, exact=True), WHITE),
    Odd("animated.webp", frames(lossless=True), RED),
    Odd("animated.png", frames(), RED),
    Odd("pages.tif", frames(), RED),
    Odd("lzw.tif", noise(compression="tiff_lzw"), NOISE),
    Odd("deflate.tif", noise(compression="tiff_adobe_deflate"), NOISE),
    Odd("with bytes to spare.bmp", flat("RGBA", (0, 0, 100, 51)), (0, 0, 100)),
    Odd("png called.jpg", noise(format="PNG"), NOISE),
    Odd("bmp called.webp", noise(format="BMP"), NOISE),
    Odd("webp called.png", noise(format="WEBP", lossless=True), NOISE),
    Odd("jpeg called.gif", flat("RGB", RED, format="JPEG"), RED, tolerance=5),
    Odd("one pixel.png", flat("RGB", RED, (1, 1)), RED, size=(1, 1)),
    Odd("one pixel.gif", flat("P", 0, (1, 1)), (0, 0, 0), size=(1, 1)),
    Odd("line.png", flat("RGB", RED, (5000, 1)), RED, size=(5000, 1)),
    Odd("column.jpg", flat("RGB", RED, (1, 5000)), RED, tolerance=5, size=(1, 5000)),
    Odd("100,000 pixels.png", flat("L", 9, (100_000, 1)), (9, 9, 9), size=(100_000, 1)),
]
KINDS += [Odd("jpeg 2000 called.jpg", noise(format="JPEG2000"), NOISE)] if features.check("jpg_2000") else []
REFUSED = [
    Odd("empty.jpg", content(b""), "the file is empty"),
    Odd("text.jpg", content(b"this is text\n" * 9), "not an image in a known format"),
    Odd("page.png", content(b"<!doctype html><title>404</title>"), "not an image in a known format"),
    Odd("drawing.png", content(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image in a known format"),
    Odd("program.jpg", flat("RGB", RED, format="EPS"), "not an image in a known format"),
    Odd("zip.png", lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"), "not an image in a known format"),
    Odd("half.jpg", half("JPEG"), "truncated"),
    Odd("half.png", half("PNG"), "truncated"),
    Odd("half.webp", half("WEBP"), ""),
    Odd("half.gif", half("GIF"), "truncated"),
    Odd("half.bmp", half("BMP"), "truncated"),
    Odd("half.tif", half("TIFF"), ""),
    Odd("half.ppm", half("PPM"), "truncated"),
    Odd("signature.png", content(b"\x89PNG\r\n\x1a\n"), ""),
    Odd("signature.jpg", content(b"\xff\xd8\xff"), ""),
    Odd("header.jpg", content(JPEG[:200]), ""),
    Odd("damaged.png", content(bytes(DAMAGED)), ""),
    Odd("text bomb.png", lambda path: png(
        path, 8, 2, NOISE, (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))), "too large"),
    Odd("bomb.png", lambda path: png_header(path, 60_000, 60_000), "decompression bomb"),
    Odd("below Pillow's line.png", lambda path: png_header(path, 14_000, 14_000), "decompression bomb"),
    Odd("bomb.jpg", lambda path: jpeg_of_size(path, JPEG, 65_500, 65_500), "decompression bomb"),
    Odd("bomb.gif", content(b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(99)), ""),
    Odd("bomb.bmp", bmp(100_000, 100_000, 24), "decompression bomb"),
    Odd("bomb.ppm", content(b"P6 100000 100000 255\n"), "decompression bomb"),
    Odd("bomb.tif", lambda path: tiff(path, (100_000, 100_000), (8,), 1, b"1234"), "decompression bomb"),
    Odd("float of 64 bits.tif", lambda path: tiff(
        path, (1, 1), (64,), 1, struct.pack("<d", 0.5), sample_format=3), "not an image in a known format"),
    Odd("folder.jpg", Path.mkdir, "a folder"),
    Odd("missing.jpg", lambda path: None, "no such file"),
]  # fmt: skip
if hasattr(os, "mkfifo"):
    REFUSED += [
        Odd("pipe.jpg", os.mkfifo, "no regular file"),
        Odd("endless.jpg", lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        Odd("terminal.jpg", lambda path: path.symlink_to("/dev/tty"), "no regular file"),
        Odd("loop.jpg", lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    ]
ODD = [*MODES, *DEPTHS, *KINDS, *REFUSED]
