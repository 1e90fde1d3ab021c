"""Time of all metrics of an evaluation, against scikit-learn's classification_report, and that both agree.

Each side runs in a process of its own; a round is the mean of twenty evaluations in a row.

python benchmarks/metrics.py --images 50000 --classes 1000 --rounds 15
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cpu.allocator import keep_freed_memory
from utils.training.metrics import Metrics, add_counts, metrics_from, no_counts

import numpy as np
import torch
from sklearn.metrics import classification_report
from torch import Tensor

from benchmarks.common import compare, comparison, print_header, print_row


def evaluation(images: int, classes: int) -> tuple[Tensor, Tensor]:
    """True and predicted classes, 70 % of them and some by chance the same."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(classes, (images,), generator=generator)
    wrong = torch.randint(classes, (images,), generator=generator)
    return targets, torch.where(torch.rand(images, generator=generator) < 0.7, targets, wrong)


def ours(images: int, classes: int) -> Callable[[], Metrics]:
    keep_freed_memory()  # as train.py does on a CPU
    targets, predictions = evaluation(images, classes)
    return lambda: metrics_from(add_counts(no_counts(classes), predictions, targets).numpy())


def theirs(images: int, classes: int) -> Callable[[], dict]:
    targets, predictions = (values.numpy() for values in evaluation(images, classes))
    return lambda: classification_report(targets, predictions, output_dict=True, zero_division=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    sides = {name: partial(side, given.images, given.classes) for name, side in (("theirs", theirs), ("ours", ours))}
    report, metrics = (build()() for build in sides.values())
    np.testing.assert_allclose(metrics.f1, report["macro avg"]["f1-score"], atol=1e-12)
    np.testing.assert_allclose(metrics.accuracy, report["accuracy"], atol=1e-12)
    seconds = compare(sides, rounds=given.rounds, threads=1, calls=20)
    print_header("all metrics", "scikit-learn", threads=1, rounds=given.rounds)
    print_row(comparison(f"{given.images} predictions, {given.classes} classes", seconds))


if __name__ == "__main__":
    main()
