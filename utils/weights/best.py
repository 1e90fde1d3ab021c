"""The best epoch of a run so far, by one figure of its evaluation, and which weights of a checkpoint it speaks of."""

import math
from dataclasses import dataclass
from typing import Any

MODES = ("max", "min")
KINDS = {"net": "raw", "net_ema": "averaged"}  # keys of weights in a checkpoint -> in words


@dataclass(frozen=True)
class Best:
    """One epoch's figure; `beats` compares two."""

    epoch: int  # 1, 2, ...
    value: float  # of the metric
    val_loss: float  # the lower one is better among equal values
    weights: str  # which scored it, one of KINDS
    metric: str = "accuracy"
    mode: str = "max"  # whether a greater value of the metric is better, or a smaller ('min')

    def beats(self, other: "Best | None") -> bool:
        """Whether it is better than `other`; the earlier one stays where they are equal.

        Figures that are not finite beat nothing, and all others beat them.
        """
        return self.finite and (other is None or not other.finite or self._rank > other._rank)

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.val_loss)

    @property
    def _rank(self) -> tuple[float, float]:
        return (self.value if self.mode == "max" else -self.value), -self.val_loss

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint; the value goes by the name of the metric."""
        plain = {"epoch": self.epoch, self.metric: self.value, "val_loss": self.val_loss, "weights": self.weights}
        return {**plain, "metric": self.metric, "mode": self.mode}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Best | None":
        """Of a checkpoint; None from {}, before the first epoch. Raises KeyError, TypeError or ValueError."""
        if not plain:
            return None
        metric = plain.get("metric", "accuracy")  # older checkpoints know accuracy alone
        mode = plain.get("mode", "max")
        best = cls(plain["epoch"], plain[metric], plain["val_loss"], plain["weights"], metric, mode)
        if not all(map(_is_figure, (best.value, best.val_loss))) or type(best.epoch) is not int or best.epoch < 1:
            raise ValueError("expected numbers")
        if best.weights not in KINDS or mode not in MODES:
            raise ValueError(f"expected weights among {tuple(KINDS)} and mode among {MODES}")
        return best


def _is_figure(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)  # what a float holds exactly


def scored_weights(checkpoint: dict[str, Any]) -> tuple[str, str]:
    """(key, in words with their place in the run) of the weights of a checkpoint of ours that every door takes.

    Those that its best figures are of: best.pth holds these alone; in last.pth, and in files of older versions, they
    are the raw or the averaged ones. The raw ones where the best epoch is another, or the epoch is under way.
    """
    epoch, progress = checkpoint["epoch"], checkpoint.get("progress") or {}
    if checkpoint.get("weights_of"):
        return "net", f"{checkpoint['weights_of']} weights of epoch {epoch}"
    if progress.get("images"):
        return "net", f"raw weights of step {checkpoint['step']}, within epoch {epoch + 1}"
    best = Best.from_plain(checkpoint["best"])
    averaged = best is not None and best.epoch == epoch and best.weights == "net_ema"
    return ("net_ema", f"averaged weights of epoch {epoch}") if averaged else ("net", f"raw weights of epoch {epoch}")
