"""How long a network takes for one image at a time: median, 95th percentile and images a second.

fps.py --model-prefix resnet --model-suffix 18       one network
fps.py --weights logs/resnet_18/exp1/best.pth        as it was trained
fps.py --model-prefix resnet                         a family: also a table and a plot, logs/other/fps.csv and .png
fps.py --all --img-size 64 64                        all networks, a failure being a row with an error
Forward passes alone are timed, in inference mode; throughput.py does the same for batches.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project, wherever this is called from

from utils.cli import OptionParser, run_command
from utils.costs.survey import add_speed_options, run, survey_of
from utils.weights.options import read_network_options


def main(arguments: list[str] | None = None) -> int:
    parser = OptionParser(prog="fps.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_speed_options(parser, rounds=50)
    given = read_network_options(parser, arguments)

    def command() -> None:
        print(run(survey_of(parser, given, batch_sizes=[1])))

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
