"""What two pictures are compared by: their pixels for equality, a perceptual hash and a thumbnail for likeness."""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 32  # of the reduced picture that the hash is made of
THUMBNAIL = 16
NOISE = 64.0  # strength of a frequency below which it may come from JPEG: 4 grey levels a pixel make as much


@dataclass(frozen=True)
class Fingerprint:
    digest: bytes  # equal for equal pixels in pictures of equal size
    hash: int  # 64 bits; the pictures of one scene differ in few of them
    thumbnail: np.ndarray  # (16, 16, 3) uint8


def fingerprint(picture: Image.Image) -> Fingerprint:
    """Of an RGB picture of any size."""
    digest = hashlib.blake2b(b"%d %d " % picture.size, digest_size=16)
    digest.update(np.ascontiguousarray(picture).data)
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(small.convert("L"), dtype=np.float64)
    thumbnail = np.asarray(small.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))
    return Fingerprint(digest.digest(), _hash(grey), thumbnail)


def _dct_rows(rows: int) -> np.ndarray:
    """(rows, SIDE): the lowest frequencies of the DCT-II."""
    frequency = np.arange(rows)[:, None]
    place = np.arange(SIDE)
    return np.cos(np.pi / SIDE * frequency * (place + 0.5))


BASIS = _dct_rows(8)


def _hash(grey: np.ndarray) -> int:
    """Which of the 64 lowest frequencies of a (SIDE, SIDE) picture are clearly positive, as bits.

    As "pHash" (Zauner 2010, section 3.2.1), which compares with the median instead: in a picture of much sky that is
    noise, and the hashes of two JPEGs of it have little in common.
    """
    bits = BASIS @ grey @ BASIS.T > NOISE
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
