"""What the end of an evaluation takes: calibration, all figures with their intervals, and the tables of every image.

The logits are made up, two thirds of the images right. sklearn: the same figures but for the intervals, from
scikit-learn's functions: AUC and average precision of each class, log loss, Brier score, kappa and Matthews'
coefficient. The figures of both sides agree, which is checked first.

python benchmarks/figures.py --images 50000 --classes 1000
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.figures.confidence import log_probabilities
from utils.figures.summary import summarise
from utils.figures.temperature import fit_temperature
from utils.report.evaluation import write_tables
from utils.training.metrics import Answers

import numpy as np
import torch
from sklearn import metrics

from benchmarks.common import print_row


def made_up(images: int, classes: int) -> Answers:
    random = np.random.default_rng(0)
    targets = random.integers(classes, size=images)
    logits = random.normal(size=(images, classes)).astype(np.float32)
    logits[np.arange(images), targets] += np.where(random.random(images) < 2 / 3, 8, 2).astype(np.float32)
    return Answers(np.arange(images), targets, logits)


def by_sklearn(answers: Answers) -> dict[str, float]:
    """Figures under the names that `Summary.overall` gives them."""
    targets, classes = answers.targets, range(answers.logits.shape[1])
    probabilities = np.exp(log_probabilities(answers.logits))
    predicted = answers.logits.argmax(axis=1)
    of_class = [(targets == k, probabilities[:, k]) for k in classes]
    return {
        "macro_auc": float(np.mean([metrics.roc_auc_score(*each) for each in of_class])),
        "macro_average_precision": float(np.mean([metrics.average_precision_score(*each) for each in of_class])),
        "log_loss": metrics.log_loss(targets, probabilities, labels=classes),
        "brier": metrics.brier_score_loss(targets, probabilities, labels=classes, scale_by_half=False),
        "cohens_kappa": metrics.cohen_kappa_score(targets, predicted),
        "matthews_coefficient": metrics.matthews_corrcoef(targets, predicted),
    }


def timed(function: Callable, *arguments: object) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    answers = made_up(given.images, given.classes)
    seconds: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        took, temperature = timed(fit_temperature, answers.logits, answers.targets)
        seconds.setdefault("temperature", []).append(took)
        took, found = timed(summarise, answers.logits, answers.targets, temperature)
        seconds.setdefault("all figures with intervals", []).append(took)
        names = [f"{i}.jpg" for i in range(given.images)]
        classes = [f"class {k}" for k in range(given.classes)]
        with tempfile.TemporaryDirectory() as place:
            took, _ = timed(write_tables, Path(place), names, answers, classes, found)
        seconds.setdefault("tables", []).append(took)
        took, theirs = timed(by_sklearn, answers)
        seconds.setdefault("figures by scikit-learn", []).append(took)
    ours = summarise(answers.logits, answers.targets).overall()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-9, err_msg=name)
    print(f"{given.images} images, {given.classes} classes, {torch.get_num_threads()} threads, {given.rounds} rounds\n")
    print_row(["what", "seconds, median", "least", "most"])
    print_row(["---"] * 4)
    for name, values in seconds.items():
        print_row([name, f"{np.median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}"])


if __name__ == "__main__":
    main()
