"""Work on many files at once, in threads: reading, hashing and decoding release Python's lock."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from .threads import reading_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 256  # items handed to the threads together: Ctrl-C waits for no more


def in_threads(function: Callable[[Item], Result], items: Sequence[Item], task: str) -> Iterator[Result]:
    """function(item) of every item, in order, under a progress bar called `task`. The first error ends it all."""
    pool = ThreadPoolExecutor(reading_threads())
    try:
        with tqdm(total=len(items), desc=task, disable=None, leave=False) as bar:
            for start in range(0, len(items), AT_ONCE):
                for result in pool.map(function, items[start : start + AT_ONCE]):
                    bar.update()
                    yield result
    finally:
        pool.shutdown(cancel_futures=True)
