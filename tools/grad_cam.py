"""Draw which parts of an image support a class: grad_cam.py --weights logs/resnet_18/exp0/best.pth IMAGE

Beside the picture as the network saw it are Grad-CAM, Grad-CAM++, guided backpropagation and guided Grad-CAM, or
those that --method names. Each network has a layer that suits, the last one that still has some rows and columns;
--layer takes another. A checkpoint of train.py brings its classes and its preprocessing along.

The drawing of cat.png is cat.jpg in the folder grad_cam beside the weights, where it replaces an older one. A folder
keeps its arrangement. Images are never overwritten.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, as_path, run_command, say
from utils.data.images import MAX_PIXELS, open_image
from utils.data.listing import find_images
from utils.data.pixels import normalise
from utils.errors import ConfigError, DataError, ImageError
from utils.explain.drawing import Asked, draw
from utils.explain.drawing_paths import drawing_paths
from utils.explain.layers import Layer, default_layer, named_layer
from utils.explain.maps import METHODS, explain
from utils.files import OF_NO_RUN
from utils.prediction.accuracy import true_class
from utils.prediction.output import folder_of
from utils.prediction.predictions import NO_NUMBER
from utils.text import nearest, one_line
from utils.weights.networks import LoadedNetwork, load_network
from utils.weights.options import add_network_options, network_options, pick_device, read_network_options
from utils.weights.spec import NetworkOptions

import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Request:
    """The options of the command line."""

    network: NetworkOptions
    device: torch.device
    images: str
    output: Path | None = None
    overwrite: bool = False
    layer: str | None = None  # None: the network's default
    label: str | None = None  # name or number of a class; None: the predicted one
    methods: tuple[str, ...] = METHODS
    max_pixels: int = MAX_PIXELS  # of an image


@dataclass(frozen=True)
class Drawer:
    """Explains and draws one image after the other."""

    network: LoadedNetwork
    device: torch.device
    layer: Layer
    target: int | None
    methods: tuple[str, ...]
    max_pixels: int
    root: Path  # above the folders that may bear the names of classes

    def draw(self, source: str, path: Path) -> str:
        """Write the drawing and return the class with its probability. Raises ImageError or DataError."""
        steps, classes = self.network.preprocess, self.network.classes
        seen = steps(open_image(source, self.max_pixels))
        image = normalise(seen[None].to(self.device), steps.mean, steps.std)[0]
        network = self.network
        found = explain(network.model, image, self.layer, self.target, self.methods, network.temperature)
        if not found.probabilities.isfinite().all():
            raise ImageError(NO_NUMBER)
        asked = Asked(source, true_class(source, self.root, classes), self.target is not None)
        draw(path, seen.numpy(), found, classes, asked)
        return f"{classes[found.target]}: {found.probabilities[found.target]:.2%}"


def run(request: Request) -> list[Path]:
    """Draw what request.images names; the paths of the drawings, those of unreadable images left out."""
    sources = find_images(request.images, "IMAGE")
    weights = request.network.weights
    default = (OF_NO_RUN if weights is None else weights.parent) / "grad_cam"
    paths = drawing_paths(sources, request.images, request.output, default, overwrite=request.overwrite)
    network = load_network(request.network, request.device)
    size = network.preprocess.img_size
    layer = named_layer(network.model, request.layer, size) if request.layer else default_layer(network.model, size)
    target = None if request.label is None else class_number(request.label, network.classes)
    where = f"layer {layer.name}, {layer.grid[0]} x {layer.grid[1]}"
    say(map(one_line, (f"{network.description}; {where}; {len(sources)} image(s)", network.pictures)))
    root = folder_of(request.images).parent
    drawer = Drawer(network, request.device, layer, target, request.methods, request.max_pixels, root)
    return draw_all(drawer, sources, paths)


def draw_all(drawer: Drawer, sources: list[str], paths: list[Path]) -> list[Path]:
    """Unreadable images are named and left out. Raises ImageError if none can be read."""
    drawn, failed = [], []
    for source, path in zip(tqdm(sources, disable=None if len(sources) > 1 else True), paths):
        try:
            found = drawer.draw(source, path)
            drawn.append(path)
        except ImageError as error:
            failed.append(f"{source}: {error}")
    if not drawn:
        raise DataError("; ".join(failed[:5]))
    say(one_line(f"no drawing of {line}") for line in failed)
    if len(sources) == 1:
        say(map(one_line, (found, f"picture: {drawn[0]}")))
    else:
        say([one_line(f"{len(drawn)} drawn, {len(failed)} not: {drawn[0]} and so on")])
    return drawn


def class_number(label: str, classes: list[str]) -> int:
    """The place of a class by its name, or else by its number. Raises ConfigError."""
    if label in classes:
        return classes.index(label)
    if label.isdecimal() and int(label) < len(classes):
        return int(label)
    message = f"--class-id: no class {label!r}{nearest(label, classes)}; expected a name or 0..{len(classes) - 1}"
    raise ConfigError("command line", [message])


def parse_arguments(arguments: list[str] | None = None) -> Request:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    images = "an image, a folder with all below it, or a glob in quotes"
    add("images", type=os.path.expanduser, metavar="IMAGE", help=images)
    add("--class-id", metavar="C", help="name of the class to explain, else its number (default: the predicted class)")
    methods = f"one of {', '.join(METHODS)}; may be repeated (default: all)"
    add("--method", action="append", choices=METHODS, metavar="M", help=methods)
    add("--layer", metavar="NAME", help="a module's name in named_modules(), as layer3.1 (default: the network's own)")
    output = "folder for the drawings; for one image also a .jpg or .png file"
    add("--output", type=as_path, metavar="PATH", help=output)
    add("--overwrite", action="store_true", help="replace what is there already under the names of --output")
    add_max_image_pixels(add)
    add_network_options(parser)
    given = read_network_options(parser, arguments)
    return Request(
        network=network_options(given),
        device=pick_device(given.device),
        images=given.images,
        output=given.output,
        overwrite=given.overwrite,
        layer=given.layer,
        label=given.class_id,
        methods=tuple(given.method or METHODS),
        max_pixels=given.max_image_pixels,
    )


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: run(parse_arguments(arguments)))


if __name__ == "__main__":
    sys.exit(main())
