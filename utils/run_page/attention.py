"""What the network of a run looked at: heat maps of Grad-CAM, small, over the pictures as it saw them."""

import time
from collections.abc import Sequence
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
    folder: Path, answers: Answers, order: Sequence[int], limits: Limits
) -> tuple[dict[int, list[Thumbnail]], str]:
    """({place of an image: why the predicted class, why the true one}, why there is nothing; '' where there is).

    order: of the images, until one of the limits is reached.
    """
    if not limits.cams or not order:
        return {}, ""
    end = time.monotonic() + limits.seconds
    found = dict[int, list[Thumbnail]]()
    try:
        network = load_network(NetworkOptions(weights=folder / BEST), torch.device("cpu"))
        layer = default_layer(network.model, network.preprocess.img_size)
    except UserError as error:
        return {}, str(error)
    steps, places = network.preprocess, {name: k for k, name in enumerate(network.classes)}
    for i in order[: limits.cams]:
        try:
            seen = steps(open_image(answers.paths[i], limits.max_pixels))
        except ImageError:
            continue
        image = normalise(seen[None], steps.mean, steps.std)[0]
        names = dict.fromkeys(answers.classes[k] for k in (answers.predicted[i], answers.true[i]))
        maps = (explain(network.model, image, layer, places[name], (METHOD,)).pictures[METHOD] for name in names)
        found[i] = [thumbnail(Image.fromarray(overlay(seen.numpy(), heat.numpy()))) for heat in maps]
        if time.monotonic() > end:
            break
    return found, ""
