"""What the head of a network is given for each image, kept in the user's cache folder."""

import contextlib
import hashlib
import io
import os
from dataclasses import dataclass

import numpy as np
import torch

from ..config.keys import TrainConfig
from ..data.loaders import val_loader
from ..data.source import ImageList
from ..data.workers import workers_for
from ..files import atomic_file
from ..training.evaluate import evaluate
from ..training.state import Recipe
from ..user_cache import cache_path, make_folder, read_own, remove_forgotten
from ..weights.networks import LoadedNetwork
from .head import HeadInputs, needed_head


@dataclass(frozen=True)
class Features:
    """Of the images of a list that could be read."""

    values: np.ndarray  # (N, D) float32
    indices: np.ndarray  # (N,) int64, ascending places in the list
    bad: list[tuple[int, str]]  # (index, reason) of the others
    kept: bool = False  # whether they were read from the disk

    def targets(self, images: ImageList) -> np.ndarray:
        """(N,) classes."""
        return images.targets[self.indices]


def features_of(network: LoadedNetwork, images: ImageList, config: TrainConfig, device: torch.device) -> Features:
    """From the disk where the same weights have been shown the same files, else computed and kept there.

    config: of which batch_size and num_workers count. Raises WeightsError for a network without a linear head.
    """
    head = needed_head(network.model)
    path = cache_path("features", f"{fingerprint(network, images, device)}.npz")
    if path is not None and (kept := _read(path, len(images), head.in_features)) is not None:
        return kept
    meter, steps = HeadInputs(head), network.preprocess
    workers = workers_for(config, steps.img_size, device, 1)
    loader = val_loader(config, images, steps, rank=0, world_size=1, workers=workers, pin=device.type == "cuda")
    recipe = Recipe(device, steps.mean, steps.std, channels_last=config.channels_last)
    with meter.listening():
        bad = evaluate([network.model], loader, recipe, [[meter]], name=os.path.basename(images.root))
    found = Features(*meter.result(), bad)
    if path is not None and not bad:
        with contextlib.suppress(OSError):  # a full disk: they are computed again
            make_folder(path)
            with atomic_file(path, private=True) as file:
                np.savez(file, values=found.values, indices=found.indices)
            remove_forgotten(path.parent)
    return found


def fingerprint(network: LoadedNetwork, images: ImageList, device: torch.device) -> str:
    """Of weights, preprocessing, files (path, size, times of change) and all else that features depend on."""
    digest = hashlib.sha256(repr((str(network.spec), network.preprocess, device.type, torch.__version__)).encode())
    for name, tensor in network.model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    for index in range(len(images)):
        name = images.name(index)
        with contextlib.suppress(OSError):  # reported when it is read
            status = os.stat(name)
            digest.update(os.fsencode(os.path.abspath(name)) + f"\0{_stamp(status)}\0".encode())
    return digest.hexdigest()[:32]


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes with a file's content, also where its time is put back."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read(path: os.PathLike, count: int, size: int) -> Features | None:
    """None where there are none, or not so many."""
    try:
        with np.load(io.BytesIO(read_own(path)), allow_pickle=False) as arrays:  # type: ignore[arg-type]
            values, indices = arrays["values"], arrays["indices"]
        if values.shape != (count, size) or values.dtype != np.float32 or indices.tolist() != list(range(count)):
            return None
        if not np.isfinite(values).all():
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return Features(values, indices, [], kept=True)
    except Exception:  # of any kind: a file that anybody may have written
        return None
