"""Reading files while the network computes: by threads, or by processes where there are many for a GPU."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from .. import distributed
from ..data.images import MAX_PIXELS, open_image
from ..data.preprocess import Preprocess
from ..data.whole_batches import WholeBatches
from ..data.workers import most_with_room, worker_count
from ..errors import ImageError
from ..threads import reading_threads

Item = TypeVar("Item")

AHEAD = 2  # batches that wait, or are being read, while one is computed


class Read(NamedTuple):
    """What was read of some paths."""

    paths: list[str]
    images: Tensor | None  # (n, H, W, 3) uint8, of those that could be read, in order; None of none
    errors: dict[int, str]  # place in `paths` -> what is wrong with the file


@dataclass(frozen=True)
class Reader(Dataset[Read]):
    """Opens files and prepares their pictures; a batch of paths is a key of this data set."""

    steps: Preprocess
    max_pixels: int = MAX_PIXELS

    def __call__(self, path: str) -> Tensor | ImageError:
        """What of an image is shown, (H, W, 3) uint8, or what is wrong with it."""
        try:
            return self.steps(open_image(path, self.max_pixels))
        except ImageError as error:
            return error

    def __getitem__(self, path: str) -> Read:
        return self.__getitems__([path])

    def __getitems__(self, paths: list[str]) -> Read:
        return gathered([(path, self(path)) for path in paths])


def gathered(found: list[tuple[str, Tensor | ImageError]]) -> Read:
    """Of (path, what was read of it)."""
    images = [item for _, item in found if isinstance(item, Tensor)]
    errors = {place: str(item) for place, (_, item) in enumerate(found) if isinstance(item, ImageError)}
    # a stack; in a process of a loader it lies in shared memory, so that nothing is copied to send it
    return Read([path for path, _ in found], default_collate(images) if images else None, errors)


def processes_for(device: torch.device, count: int, batch_size: int, size: tuple[int, int]) -> int:
    """How many processes read `count` images of (height, width) `size`, if there is a batch for each; 0: threads do.

    For a GPU alone. There threads of the process that keeps it busy take more than they give: 1,000 photographs of 12
    megapixels took an H100 and 16 cores 8.1 s with threads reading ahead and 4.7 s where they read and it computed in
    turn.
    """
    if device.type != "cuda":
        return 0
    local = distributed.local_world_size()
    workers = most_with_room(worker_count("auto", device, local), batch_size, size, local)
    return workers if workers > 1 and count >= workers * batch_size else 0


def read_by_processes(
    reader: Reader, paths: Iterable[str], batch_size: int, workers: int, *, pin: bool
) -> Generator[Read, None, None]:
    """`paths` in their order, `batch_size` at a time; the processes end with the generator.

    pin: into page-locked memory.
    """
    rest = iter(paths)
    batches = iter(lambda: list(islice(rest, batch_size)), [])
    return WholeBatches(reader, batches, workers=workers, pin=pin).read()


def read_by_threads(
    reader: Reader, paths: Iterable[str], batch_size: int, *, ahead: int
) -> Generator[Read, None, None]:
    """The same; ahead: batches that are read while one is computed."""
    with contextlib.closing(read_ahead(reader, paths, batch_size, ahead)) as batches:
        for batch in batches:
            yield gathered(batch)


def read_ahead(
    read: Callable[[str], Item], paths: Iterable[str], together: int, ahead: int = AHEAD
) -> Generator[list[tuple[str, Item]], None, None]:
    """(path, read(path)) of all `paths`, in order, in lists of `together` and a shorter last one.

    Threads read (decoding releases the interpreter's lock). At most ahead * together items wait at any moment, however
    many paths there are and however slow whoever takes the lists is; with ahead = 0 none is read meanwhile. Raises what
    `read` raises.
    """
    rest = iter(paths)
    pool = ThreadPoolExecutor(reading_threads())
    waiting: deque[tuple[str, Future[Item]]] = deque()

    def start(count: int) -> None:
        waiting.extend((path, pool.submit(read, path)) for path in islice(rest, count))

    try:
        start(max(ahead, 1) * together)
        while waiting:
            batch = []
            for _ in range(min(together, len(waiting))):
                path, result = waiting.popleft()
                batch.append((path, result.result()))
            if ahead:
                start(together)
            yield batch
            if not ahead:
                start(together)
    finally:
        pool.shutdown(cancel_futures=True)
