"""All figures of a classifier on one set of images, from its logits."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..training.metrics import Metrics, metrics_from
from .agreement import cohens_kappa, confusion_of, matthews_coefficient, specificity
from .confidence import Reliability, brier_score, log_probabilities, ranks, reliability
from .intervals import Interval, MacroIntervals, bootstrap_macro, wilson
from .ranking import Ranking, ranking
from .threshold import Threshold, best_threshold

TOP = 5


@dataclass(frozen=True)
class Confidence:
    """How good the probabilities are; less is better."""

    log_loss: float
    brier: float
    calibration_error: float


@dataclass(frozen=True)
class Summary:
    """Of K classes and N images. `metrics`: accuracy, precision, recall and F1, over all and by class."""

    confusion: np.ndarray  # (K, K), rows true
    metrics: Metrics
    accuracy_interval: Interval
    macro_intervals: MacroIntervals
    ranking: Ranking
    specificity: np.ndarray  # (K,)
    top_k: float  # the share of images whose class is among the TOP likeliest
    temperature: float
    raw: Confidence
    calibrated: Confidence
    raw_reliability: Reliability
    reliability: Reliability  # calibrated
    threshold: Threshold | None  # of the second of two classes
    f1_at_threshold: float  # on these images; NaN without one

    def overall(self) -> dict[str, Any]:
        """The figures over all classes, as plain numbers; what is not defined is None."""
        metrics, macro = self.metrics, self.macro_intervals
        figures: dict[str, Any] = {
            "images": int(self.confusion.sum()),
            "accuracy": metrics.accuracy,
            "accuracy_interval": list(asdict(self.accuracy_interval).values()),
            "precision": metrics.precision,
            "precision_interval": list(asdict(macro.precision).values()),
            "recall": metrics.recall,
            "recall_interval": list(asdict(macro.recall).values()),
            "f1": metrics.f1,
            "f1_interval": list(asdict(macro.f1).values()),
            "bootstrap_draws": macro.draws,
            "balanced_accuracy": metrics.balanced_accuracy,
            "cohens_kappa": cohens_kappa(self.confusion),
            "matthews_coefficient": matthews_coefficient(self.confusion),
            "macro_auc": self.ranking.macro_auc,
            "macro_average_precision": self.ranking.macro_average_precision,
            f"top_{TOP}_accuracy": self.top_k,
            "temperature": self.temperature,
        }
        figures |= {f"uncalibrated_{name}": value for name, value in asdict(self.raw).items()}
        figures |= asdict(self.calibrated)
        if self.threshold is not None:
            figures["threshold"] = self.threshold.value
            figures["threshold_interval"] = list(asdict(self.threshold.interval).values())
            figures["f1_at_threshold"] = self.f1_at_threshold
        return {name: None if value != value else value for name, value in figures.items()}


def summarise(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float = 1.0,
    threshold: Threshold | None = None,
    *,
    uncalibrated: np.ndarray | None = None,
) -> Summary:
    """logits: (N, K).  targets: (N,).

    temperature: that probabilities are calibrated by.  threshold: of the second of two classes, where there is one.
    uncalibrated: (N, K) logits of the probabilities before, where `logits` themselves are not, as of means over views.
    """
    classes, predicted = logits.shape[1], logits.argmax(axis=1)
    confusion = confusion_of(targets, predicted, classes)
    right = predicted == targets
    logarithms = log_probabilities(logits, temperature)
    probabilities, of_second = np.exp(logarithms), targets == 1
    raw, raw_bins = calibrated, bins = _confidence(logarithms, probabilities, targets, right)
    if temperature != 1:
        before = log_probabilities(logits if uncalibrated is None else uncalibrated)
        raw, raw_bins = _confidence(before, np.exp(before), targets, right)
    return Summary(
        confusion,
        metrics_from(confusion),
        wilson(int(right.sum()), len(targets)),
        bootstrap_macro(confusion),
        ranking(probabilities, targets),
        specificity(confusion),
        float((ranks(logits, targets) <= TOP).mean()) if len(targets) else float("nan"),
        temperature,
        raw,
        calibrated,
        raw_bins,
        bins,
        threshold,
        threshold.f1_on(probabilities[:, 1], of_second) if threshold else float("nan"),
    )


def chosen_threshold(logits: np.ndarray, targets: np.ndarray, temperature: float) -> Threshold | None:
    """The threshold of the second of two classes that is best on these images; None for other numbers of classes."""
    if logits.shape[1] != 2:
        return None
    return best_threshold(np.exp(log_probabilities(logits, temperature))[:, 1], targets == 1)


def _confidence(
    logarithms: np.ndarray, probabilities: np.ndarray, targets: np.ndarray, right: np.ndarray
) -> tuple[Confidence, Reliability]:
    if not len(targets):
        nothing = float("nan")
        return Confidence(nothing, nothing, nothing), reliability(np.empty(0), np.empty(0, dtype=bool))
    bins = reliability(probabilities.max(axis=1), right)
    loss = -float(logarithms[np.arange(len(targets)), targets].mean())
    return Confidence(loss, brier_score(probabilities, targets), bins.error), bins
