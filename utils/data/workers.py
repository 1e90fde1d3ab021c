"""How many loading processes there are."""

import shutil
from pathlib import Path
from typing import Any, Literal

import torch

from ..log import log
from ..threads import available_cores

SHARED_MEMORY = Path("/dev/shm")  # where batches lie on Linux; elsewhere the system's memory is the limit
AHEAD = 2  # batches that torch lets each process prepare
LEAST_FREE = 1 / 8  # of what is free stays so: the other loader's first batch, and other programs


def worker_count(num_workers: int | Literal["auto"], device: torch.device, local_world_size: int) -> int:
    """'auto': the cores of this process, at most 16; on a CPU, which trains with the same cores, at most 2."""
    if num_workers != "auto":
        return num_workers
    return max(1, min(16 if device.type != "cpu" else 2, available_cores() // local_world_size))


def workers_for(config: Any, img_size: tuple[int, int], device: torch.device, local_world_size: int) -> int:
    """config: a TrainConfig, of which num_workers and batch_size count.  img_size: (height, width) of a batch."""
    asked = worker_count(config.num_workers, device, local_world_size)
    return with_room(asked, config.batch_size, img_size, local_world_size)


def with_room(workers: int, images: int, img_size: tuple[int, int], local_world_size: int) -> int:
    """`workers`, or the most for whose batches of so many images /dev/shm has room, which is logged.

    Containers have 64 MB there by default.
    """
    most = most_with_room(workers, images, img_size, local_world_size)
    if most < workers:
        log.warning(
            f"num_workers = {most} instead of {workers}: {SHARED_MEMORY} has {_free() / 2**20:.0f} MB free, a batch "
            f"takes {_size(images, img_size) / 2**20:.1f} MB, and each process prepares {AHEAD}. More room there "
            "(docker run --shm-size=2g), or batches of fewer or smaller images, let more of them load"
        )
    return most


def most_with_room(workers: int, images: int, img_size: tuple[int, int], local_world_size: int) -> int:
    """At most `workers`, for whose batches of so many images there is room; 0: the process itself is to load.

    A process that finds /dev/shm full is killed by the system, without a word.
    """
    if not workers or not SHARED_MEMORY.is_dir():
        return workers
    batches = int(_free() * (1 - LEAST_FREE) / local_world_size / _size(images, img_size))
    return min(workers, max(0, batches - 1) // AHEAD)  # one is being used


def _free() -> int:
    return shutil.disk_usage(SHARED_MEMORY).free


def _size(images: int, img_size: tuple[int, int]) -> int:
    return images * img_size[0] * img_size[1] * 3
