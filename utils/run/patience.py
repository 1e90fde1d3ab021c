"""When a run ends for want of progress: Keras' EarlyStopping, https://keras.io/api/callbacks/early_stopping/."""

from dataclasses import dataclass

from ..config.keys import TrainConfig
from ..weights.best import Best


@dataclass(frozen=True)
class Patience:
    """Epochs since the figure that is watched was better than ever before, by more than min_delta."""

    value: float | None = None  # the best figure that was counted; None before the first
    waited: int = 0  # epochs since then

    def after(self, found: Best, config: TrainConfig) -> "Patience":
        """The count after an epoch, whose figure is `found`. One that is no number is no progress."""
        if found.epoch <= config.start_from_epoch:
            return self
        better = found.value - config.min_delta if found.mode == "max" else -found.value - config.min_delta
        before = None if self.value is None else self.value if found.mode == "max" else -self.value
        if found.finite and (before is None or better > before):
            return Patience(found.value)
        return Patience(self.value, self.waited + 1)

    def is_over(self, config: TrainConfig) -> bool:
        """Whether the run ends here; patience = 0 waits for ever."""
        return 0 < config.patience <= self.waited
