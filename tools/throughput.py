"""How many images a second a network gets through in batches, and the memory that takes.

throughput.py --model-prefix resnet --model-suffix 18 --batch-sizes 1 8 32
throughput.py --weights logs/resnet_18/exp1/best.pth --dtype bfloat16 --compile
throughput.py --model-prefix resnet                  a family: also logs/other/throughput.csv and a plot, .png
throughput.py --all --img-size 64 64                 all networks, a failure being a row with an error
Forward passes alone are timed, in inference mode. Peak memory is that of one pass with weights and images: on CUDA what
torch has allocated, on Linux's CPUs the growth of the process on top of weights and images.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, run_command
from utils.costs.survey import add_speed_options, run, survey_of
from utils.weights.options import positive, read_network_options


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(
        prog="throughput.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batch-sizes", type=positive, nargs="+", default=[1, 8, 32], metavar="N", help="(default: 1 8 32)"
    )
    add_speed_options(parser, rounds=10)
    given = read_network_options(parser, arguments)

    def command() -> None:
        print(run(survey_of(parser, given, given.batch_sizes)))

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
