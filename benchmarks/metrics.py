"""Time of all metrics of an evaluation, against scikit-learn's classification_report, and that both agree.

python benchmarks/metrics.py --images 50000 --classes 1000 --rounds 15
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import classification_report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import comparison, print_header, print_row
from utils.metrics import confusion_counts, metrics_from
from utils.timing import interleaved, threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(given.classes, (given.images,), generator=generator)
    wrong = torch.randint(given.classes, (given.images,), generator=generator)
    predictions = torch.where(torch.rand(given.images, generator=generator) < 0.7, targets, wrong)

    def ours():
        return metrics_from(confusion_counts(predictions, targets, given.classes).numpy())

    def theirs():
        return classification_report(targets.numpy(), predictions.numpy(), output_dict=True, zero_division=0)

    report, metrics = theirs(), ours()
    np.testing.assert_allclose(metrics.f1, report["macro avg"]["f1-score"], atol=1e-12)
    np.testing.assert_allclose(metrics.accuracy, report["accuracy"], atol=1e-12)
    with threads(1):
        seconds = interleaved({"theirs": theirs, "ours": ours}, rounds=given.rounds)
    print_header("all metrics", "scikit-learn", threads=1, rounds=given.rounds)
    print_row(comparison(f"{given.images} predictions, {given.classes} classes", seconds))


if __name__ == "__main__":
    main()
