"""Reading ahead: files are read and decoded while the network computes, with a bound on what waits for it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from ..threads import reading_threads

Item = TypeVar("Item")

AHEAD = 2  # batches that wait, or are being read, while one is computed


def read_ahead(read: Callable[[str], Item], paths: Iterable[str], together: int) -> Iterator[list[tuple[str, Item]]]:
    """(path, read(path)) of all `paths`, in order, in lists of `together` and a shorter last one.

    Threads read (decoding releases the interpreter's lock). At most AHEAD * together items wait at any moment, however
    many paths there are and however slow whoever takes the lists is. Raises what `read` raises.
    """
    rest = iter(paths)
    pool = ThreadPoolExecutor(reading_threads())
    waiting: deque[tuple[str, Future[Item]]] = deque()

    def start(count: int) -> None:
        waiting.extend((path, pool.submit(read, path)) for path in islice(rest, count))

    try:
        start(AHEAD * together)
        while waiting:
            batch = []
            for _ in range(min(together, len(waiting))):
                path, result = waiting.popleft()
                batch.append((path, result.result()))
            start(len(batch))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)
