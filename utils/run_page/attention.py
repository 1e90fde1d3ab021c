"""What the network of a run looked at: heat maps of Grad-CAM, small, over the pictures as it saw them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from ..data.images import open_image
from ..data.pixels import normalise
from ..errors import ImageError, UserError
from ..explain.drawing import overlay
from ..explain.layers import default_layer
from ..explain.maps import explain
from ..page.parts import Thumbnail, thumbnail
from ..weights.networks import load_network
from ..weights.run_folder import BEST
from ..weights.spec import NetworkOptions
from .answers import Answers
from .look import Limits

METHOD = "grad_cam"


def attention(
    run_of: Callable[[int], Path], answers: Answers, order: Sequence[int], limits: Limits
) -> tuple[dict[int, list[Thumbnail]], str]:
    """({place of an image: why the predicted class, why the true one}, why there is nothing; '' where there is).

    run_of: the folder of the run whose best.pth has judged an image.
    order: of the images, until one of the limits is reached.
    """
    end = time.monotonic() + limits.seconds
    by_run: dict[Path, list[int]] = {}
    for i in order[: limits.cams]:
        by_run.setdefault(run_of(i), []).append(i)
    found = dict[int, list[Thumbnail]]()
    for run, images in by_run.items():  # one network at a time
        try:
            found |= _by_network(run / BEST, answers, images, limits.max_pixels, end)
        except UserError as error:
            return found, str(error)
    return found, ""


def _by_network(
    weights: Path, answers: Answers, images: Sequence[int], max_pixels: int, end: float
) -> dict[int, list[Thumbnail]]:
    """The maps of some images until the clock is at `end`. Raises UserError for a network that has none."""
    found = dict[int, list[Thumbnail]]()
    if time.monotonic() > end:
        return found
    network = load_network(NetworkOptions(weights=weights), torch.device("cpu"))
    layer = default_layer(network.model, network.preprocess.img_size)
    steps, places = network.preprocess, {name: k for k, name in enumerate(network.classes)}
    for i in images:
        try:
            seen = steps(open_image(answers.paths[i], max_pixels))
        except ImageError:
            continue
        image = normalise(seen[None], steps.mean, steps.std)[0]
        names = dict.fromkeys(answers.classes[k] for k in (answers.predicted[i], answers.true[i]))
        maps = (explain(network.model, image, layer, places[name], (METHOD,)).pictures[METHOD] for name in names)
        found[i] = [thumbnail(Image.fromarray(overlay(seen.numpy(), heat.numpy()))) for heat in maps]
        if time.monotonic() > end:
            break
    return found
