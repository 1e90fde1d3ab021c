"""Parameters, multiply-adds, activations and memory of weights: of one network, a family or all, or layer by layer.

params.py --model-prefix resnet --model-suffix 50 --layers
params.py --weights logs/resnet_18/exp1/best.pth     as it was trained
params.py --model-prefix resnet                      a family
params.py --all --output params.csv                  all networks, and a plot, params.png

All is counted for one image, as published tables do:
multiply-adds   of convolutions, linear layers and both products of attention; not of norms, activations and pooling
additions       of adder layers: a difference and a sum for each weight and position
activations     numbers that those layers give, with the scores and sums of attention, as fvcore and timm count them
weights MB      parameters and buffers in float32, of 2^20 bytes; a checkpoint of ours holds more, such as the optimizer
No weights are made for it, so that --device makes no difference.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, as_path, run_command
from utils.costs.networks import layer_rows, layers_as_text, network_row, networks_as_text, spec_of
from utils.costs.picture import arithmetic_against_parameters
from utils.costs.table import check_some_succeeded, output_path, picture_beside, write_rows
from utils.files import writing
from utils.report.canvas import save
from utils.weights.options import add_network_options, pick_device, read_network_options, several_networks
from utils.weights.spec import NetworkSpec

from tqdm import tqdm


def print_networks(specs: Sequence[NetworkSpec], output: Path | None) -> None:
    """Print a row a network, and write them. Raises DataError if none can be counted."""
    rows = [network_row(spec) for spec in tqdm(specs, unit="network", disable=None if len(specs) > 1 else True)]
    check_some_succeeded(rows)
    print(networks_as_text(rows))
    if output is None:
        return
    with writing(output):
        write_rows(output, rows)
        if len(rows) > 1:
            save(arithmetic_against_parameters(rows), picture_beside(output))


def print_layers(specs: Sequence[NetworkSpec], output: Path | None) -> None:
    """Print a table a network, and write them as one. Raises WeightsError if one cannot be counted."""
    tables = [layer_rows(spec) for spec in specs]
    print("\n\n".join(map(layers_as_text, tables)))
    if output is not None:
        with writing(output):
            write_rows(output, [row for rows in tables for row in rows])


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_options(parser, several=True)
    parser.add_argument("--layers", action="store_true", help="a row a layer")
    parser.add_argument("--output", type=as_path, metavar="FILE", help="also write the rows, as .csv or .json")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE and the plot beside it")
    given = read_network_options(parser, arguments)

    def command() -> None:
        pick_device(given.device)
        output = None if given.output is None else output_path(given.output, replace=given.overwrite)
        specs = [spec_of(options) for options in several_networks(given)]
        (print_layers if given.layers else print_networks)(specs, output)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
