"""Time of a training step on a CPU with `freeze = 'body'`, against that of the whole network.

Both are steps of train.py (SGD with momentum, float32), each in a process of its own, in turn. A frozen body runs
forward alone, and nothing of it is kept.

python benchmarks/frozen_step.py --batch-size 16 --rounds 5 --threads 2
"""

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.training.freezing import BODY

from benchmarks.common import compare, comparison, gain, print_header, print_mean, print_row
from benchmarks.training_step import ours

NETWORKS = ["resnet:18", "resnet:50", "mobilenetv2:1.0", "convnext:tiny", "vit:base-patch16"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="PREFIX:SUFFIX")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given, gains = parser.parse_args(), []
    print_header(f"step, batch {given.batch_size}", "whole network", threads=given.threads, rounds=given.rounds)
    for network in given.networks:
        names = tuple(network.split(":"))
        sides = {"theirs": partial(ours, names, given.batch_size), "ours": partial(ours, names, given.batch_size, BODY)}
        seconds = compare(sides, rounds=given.rounds, threads=given.threads)
        gains.append(gain(seconds).median)
        print_row(comparison(" ".join(names), seconds))
    print_mean(gains)


if __name__ == "__main__":
    main()
