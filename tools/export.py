"""Write a network as a file that runs without this project: export.py --weights best.pth --output model.onnx

.onnx runs in onnxruntime, OpenVINO, TensorRT and in predict.py; .pt2 is loaded by torch.export.load. Either takes
float32 `images` (N, 3, H, W), any N, scaled to 0..1 and normalised by mean and std, and gives `logits` (N, classes).
Class names and preprocessing are in the file's metadata. The file takes its name only after it has given the logits
and the classes of the network for 64 images.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, add_max_image_pixels, as_path, run_command, say
from utils.errors import ConfigError
from utils.export.formats import DATA, FORMATS, data_path, format_of
from utils.export.metadata import Metadata
from utils.export.write import export
from utils.files import check_new_file
from utils.signals import terminations_raise
from utils.weights.networks import load_network
from utils.weights.options import add_network_options, network_options, pick_device, read_network_options
from utils.weights.spec import NetworkOptions

import torch


@dataclass(frozen=True)
class Request:
    """The options of the command line."""

    network: NetworkOptions
    device: torch.device
    output: Path
    images: str | None
    max_pixels: int
    overwrite: bool


def run(request: Request) -> None:
    """Raises a UserError if the network cannot be loaded or exported, or the file not be written."""
    target = request.output
    check_new_file(target, tuple(FORMATS), overwrite=request.overwrite)
    check_new_file(data_path(target), (DATA,), overwrite=request.overwrite)
    file_format = format_of(target)
    if target.suffix.lower() == ".onnx" and request.device.type != "cpu":
        raise ConfigError("command line", ["--device: a .onnx file is written on the CPU, and runs anywhere"])
    network = load_network(request.network, request.device)
    weights = request.network.weights
    source = "" if weights is None else weights.name
    metadata = Metadata(str(network.spec), source, network.classes, network.preprocess, network.temperature)
    say([network.description, network.pictures])
    with terminations_raise():
        verified = export(network, file_format, metadata, target, request.images, request.max_pixels)
    say([verified, f"wrote {target}"])


def parse_arguments(arguments: list[str] | None = None) -> Request:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    output = f"file to write, ending in {' or '.join(FORMATS)}"
    add("--output", type=as_path, required=True, metavar="FILE", help=output)
    images = "images to check with: a folder, as val, or a glob (default: random ones)"
    add("--images", type=os.path.expanduser, metavar="PATH", help=images)
    add_max_image_pixels(add)
    add("--overwrite", action="store_true", help="replace FILE if it exists")
    add_network_options(parser, device="cpu")
    given = read_network_options(parser, arguments)
    device = pick_device(given.device)
    checked = given.images, given.max_image_pixels
    return Request(network_options(given), device, given.output, *checked, given.overwrite)


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: run(parse_arguments(arguments)))


if __name__ == "__main__":
    sys.exit(main())
