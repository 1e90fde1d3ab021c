"""Whether an exported file classifies as the network that it came from."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..data.images import MAX_PIXELS, read_image
from ..data.listing import find_images
from ..data.pixels import normalise
from ..data.preprocess import Preprocess
from ..errors import ImageError, WeightsError
from ..weights.networks import LoadedNetwork

IMAGES = 64
TOLERANCE = 1e-4  # of the largest logit, or of 1
TIE = 1e-5  # of the same: where the two best logits are closer, rounding may choose between them


@dataclass(frozen=True)
class Parity:
    """How far the logits of some images are from the network's."""

    images: int
    difference: float  # the largest
    largest: float  # of the network's own logits
    agreeing: int  # images of the same class, or between two that tie

    @property
    def holds(self) -> bool:
        return self.difference <= TOLERANCE * max(1.0, self.largest) and self.agreeing == self.images

    def __str__(self) -> str:
        largest = f"largest difference {self.difference:.2g} of logits up to {self.largest:.3g}"
        return f"{largest}, same class for {self.agreeing} of {self.images} images"


def check_images(preprocess: Preprocess, folder: str | None, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Up to 64 images on their way to the network, (N, H, W, 3) uint8; of `folder`, or else random ones.

    Those of a folder are spread evenly over its sorted paths. The random ones, always the same, are of coloured cells,
    fine to coarse. Raises DataError if the folder has no image, ImageError if one cannot be read.
    """
    pictures = _random_pictures() if folder is None else _pictures(find_images(folder, "--images"), max_pixels)
    return torch.stack([preprocess(picture) for picture in pictures])


def _random_pictures() -> Iterator[Image.Image]:
    generator = np.random.default_rng(0)
    for i in range(IMAGES):
        cells = 2 ** (1 + i % 6)
        yield Image.fromarray(generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8))


def _pictures(paths: list[str], max_pixels: int) -> Iterator[Image.Image]:
    count = min(IMAGES, len(paths))
    for i in range(count):
        path = paths[i * len(paths) // count]
        try:
            yield read_image(path, max_pixels)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None


@torch.inference_mode()
def compare(network: LoadedNetwork, exported: Callable[[Tensor], Tensor], images: Tensor) -> Parity:
    """Both on the same batches of 1, 2, 5 and then 8 images, (N, H, W, 3) uint8.

    Raises WeightsError if the network's own logits are no numbers.
    """
    steps, device = network.preprocess, next(network.model.parameters()).device
    ours, theirs = [], []
    for batch in tqdm(list(_batches(images)), desc="comparing", disable=None):
        normalised = normalise(batch.to(device), steps.mean, steps.std)
        ours.append(network.model(normalised).float().cpu())
        theirs.append(exported(normalised).float().cpu())
    return measure(torch.cat(ours), torch.cat(theirs))


def _batches(images: Tensor) -> Iterator[Tensor]:
    start = 0
    for size in itertools.chain((1, 2, 5), itertools.repeat(8)):
        if start >= len(images):
            return
        yield images[start : start + size]
        start += size


def measure(ours: Tensor, theirs: Tensor) -> Parity:
    """From the logits of the network and those of the file, both (N, K). Raises WeightsError if ours are no numbers."""
    if not ours.isfinite().all():
        raise WeightsError("not written: with these weights the network gives logits that are no numbers")
    largest = ours.abs().max().item()
    difference = (ours - theirs).abs().max().item()  # of a logit that is no number, no number
    chosen = ours.gather(1, theirs.argmax(1, keepdim=True))[:, 0]
    agreeing = int((chosen >= ours.amax(1) - TIE * max(1.0, largest)).sum())
    return Parity(len(ours), difference, largest, agreeing)
