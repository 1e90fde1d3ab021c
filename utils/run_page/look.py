"""The pictures of the page: read once, made small, and compared with each other."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from ..checking.fingerprint import Fingerprint, fingerprint
from ..checking.similar import find_alike
from ..data.images import MAX_PIXELS, decode, open_image, reduction_to, upright_size
from ..errors import ImageError
from ..page.parts import SIDE, Thumbnail, thumbnail
from ..threads import reading_threads
from .answers import Answers

ENOUGH = (4 * SIDE, 4 * SIDE)  # sides of a picture that it is decoded at, at least
AT_ONCE = 32  # pictures that are read between two looks at the clock
NEAR = 8  # bits in which the hashes of near duplicates may differ, as tools/check_data.py has it


@dataclass(frozen=True)
class Limits:
    """Of the work for a page."""

    pictures: int = 1500
    cams: int = 24
    seconds: float = float("inf")  # for the pictures, and as many for what the network looked at
    max_pixels: int = MAX_PIXELS  # of an image


class Seen(NamedTuple):
    small: Thumbnail
    print: Fingerprint | None  # of a wrong one


@dataclass(frozen=True)
class Pictures:
    """By the image's place in the answers."""

    seen: dict[int, Seen]
    unreadable: dict[int, str]  # with the reason
    alike: list[list[int]]  # sets of wrong ones that are the same or nearly so


def look_at(answers: Answers, order: Sequence[int], limits: Limits) -> Pictures:
    """Read pictures in this order until one of the limits is reached."""
    end = time.monotonic() + limits.seconds
    seen: dict[int, Seen] = {}
    unreadable: dict[int, str] = {}

    def read(i: int) -> Seen | ImageError:
        return _read(answers.paths[i], limits.max_pixels, with_print=bool(answers.wrong[i]))

    order = order[: limits.pictures]
    with ThreadPoolExecutor(reading_threads()) as pool:  # decoding releases the interpreter's lock
        for start in range(0, len(order), AT_ONCE):
            places = order[start : start + AT_ONCE]
            for i, found in zip(places, pool.map(read, places)):
                if isinstance(found, Seen):
                    seen[i] = found
                else:
                    unreadable[i] = str(found)
            if time.monotonic() > end:
                break
    return Pictures(seen, unreadable, _alike(seen))


def picture_of(path: str, max_pixels: int) -> Image.Image:
    """Large enough for a thumbnail. Raises ImageError."""
    opened = open_image(path, max_pixels)
    return decode(opened, reduction_to(upright_size(opened), ENOUGH))


def _read(path: str, max_pixels: int, *, with_print: bool) -> Seen | ImageError:
    try:
        picture = picture_of(path, max_pixels)
    except ImageError as error:
        return error
    found = fingerprint(picture) if with_print else None
    return Seen(thumbnail(picture), found)


def _alike(seen: dict[int, Seen]) -> list[list[int]]:
    wrong = [i for i, found in seen.items() if found.print is not None]
    found = find_alike([seen[i].print for i in wrong], NEAR)
    sets = [[wrong[place] for place in places] for places in (*found.near, *found.same)]
    distinct = [members for k, members in enumerate(sets) if not any(set(members) <= set(other) for other in sets[:k])]
    return sorted(distinct, key=lambda members: -len(members))
