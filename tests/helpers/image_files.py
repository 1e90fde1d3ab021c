"""Pictures that can be learnt from, and image files that Pillow does not write, made by hand."""

import struct
import zlib

import numpy as np
from PIL import Image

TIFF_TYPES = {"H": 3, "I": 4}  # struct's letters for SHORT and LONG


def chunk(name, data):
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path, depth, colour_type, rows, *chunks):
    """A PNG. rows: (H, W) or (H, W, channels) integers; of a depth below 8, (H, W / (8 / depth)) bytes of several."""
    height, width = rows.shape[:2]
    width *= max(1, 8 // depth)
    lines = b"".join(b"\0" + row.astype(f">u{max(1, depth // 8)}").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


def png_header(path, width, height):
    """The beginning of a PNG that claims to be so large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))


def tiff(path, size, depths, photometric, data, *, order="<", sample_format=1, extra=()):
    """An uncompressed TIFF of one strip. size: (width, height).  depths: bits of each channel.  extra: ExtraSamples."""
    tags = {256: size[0], 257: size[1], 258: depths, 259: 1, 262: photometric, 273: 8, 277: len(depths)}
    tags |= {278: size[1], 279: len(data), 339: (sample_format,) * len(depths)}
    if extra:
        tags[338] = extra
    start = 8 + len(data) + len(data) % 2
    entries, more, behind = b"", b"", start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        kind = "I" if tag in (256, 257, 273, 278, 279) else "H"
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            packed, more = struct.pack(f"{order}I", behind + len(more)), more + packed
        entries += struct.pack(f"{order}HHI", tag, TIFF_TYPES[kind], len(values)) + packed.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, start) + data + bytes(len(data) % 2)
    path.write_bytes(head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + more)


def without_segment(jpeg, marker):
    """The bytes of a JPEG without its segments of this marker, such as 0xEE for Adobe's."""
    kept, place = jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:  # pixels follow
        length = 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if jpeg[place + 1] != marker:
            kept += jpeg[place : place + length]
        place += length
    return kept + jpeg[place:]


def jpeg_of_size(path, jpeg, width, height):
    """A JPEG whose header claims another size."""
    place = next(i for i in range(len(jpeg)) if jpeg[i] == 0xFF and jpeg[i + 1] in (0xC0, 0xC2))
    path.write_bytes(jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :])


def noisy_image(label, which, size):
    """A picture in the colour of `label`, with noise that depends on `which`."""
    width, height = size
    colour = np.random.default_rng(zlib.crc32(label.encode("utf-8", "surrogateescape"))).integers(40, 216, 3)
    noise = np.random.default_rng(zlib.crc32(f"{label}/{which}".encode("utf-8", "surrogateescape")))
    return Image.fromarray(np.uint8(colour + noise.integers(-40, 40, (height, width, 3))))
