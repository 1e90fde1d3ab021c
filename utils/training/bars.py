"""How far an epoch is: a bar on a terminal, a line now and then where no bar can be drawn."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from .. import distributed

T = TypeVar("T")
EVERY = 10.0  # seconds between two lines


def progress_bar(items: Iterable[T], total: int, name: str, images: Callable[[T], int]) -> Iterable[T]:
    """The items, with the progress through them on the standard error of rank 0.

    total: how many items.  images: how many images an item holds.
    """
    if not distributed.is_main():
        return items
    if sys.stderr.isatty():
        return tqdm(items, total=total, desc=name, leave=False)
    return _with_lines(items, total, name, images)


def _with_lines(items: Iterable[T], total: int, name: str, images: Callable[[T], int]) -> Iterator[T]:
    """A line at the first item after each EVERY seconds: in a file or a service's log, where bars would pile up."""
    begun = said = time.monotonic()
    seen = 0
    for number, item in enumerate(items, 1):
        yield item
        seen += images(item)
        now = time.monotonic()
        if now - said >= EVERY and number < total:
            passed, said = now - begun, now
            left = passed / number * (total - number)
            text = f"{name}: {number} of {total} steps, {seen / passed:.0f} images/s, {left:.0f} s left"
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                print(text, file=sys.stderr, flush=True)
