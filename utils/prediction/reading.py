"""Reading what is to be predicted: by threads, or, of many images for a GPU, by processes while it computes."""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

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
    """How many processes are to read `count` images of (height, width) `size`; 0: threads of this one.

    For a GPU alone, and where there is a batch for each. On a CPU reading and computing want the same cores. Beside an
    H100, 16 processes took 2.1 s for 1,000 photographs of 12 megapixels, and threads in turn with it 3.1 s; threads
    that read while this process keeps the GPU busy lost more than they won.
    """
    if device.type != "cuda":
        return 0
    local = distributed.local_world_size()
    workers = most_with_room(worker_count("auto", device, local), batch_size, size, local)
    return workers if workers > 1 and count >= workers * batch_size else 0


def read_by_processes(
    reader: Reader, paths: Iterable[str], batch_size: int, workers: int, *, pin: bool
) -> Generator[Read, None, None]:
    """`paths` in their order, `batch_size` at a time, the next ones while one is computed.

    pin: into page-locked memory.  The processes end with the generator.
    """
    return WholeBatches(reader, _parts(paths, batch_size), workers=workers, pin=pin).read()


def read_by_threads(reader: Reader, paths: Iterable[str], batch_size: int) -> Generator[Read, None, None]:
    """The same, in turn with what is computed; decoding releases the interpreter's lock."""
    pool = ThreadPoolExecutor(reading_threads())
    try:
        for part in _parts(paths, batch_size):
            yield gathered(list(zip(part, pool.map(reader, part))))
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(paths)
    return iter(lambda: list(islice(rest, size)), [])
