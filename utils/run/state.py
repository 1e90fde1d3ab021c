"""How far a run has come, and all of it as a checkpoint."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import distributed
from ..config.keys import TrainConfig
from ..config.read import to_plain
from ..data.preprocess import Preprocess
from ..data.source import Splits
from ..training.state import Progress, TrainState
from ..weights.best import Best
from .patience import Patience


@dataclass
class RunState:
    """How far a run has come, and what it has seen so far."""

    epoch: int = 0  # epochs finished
    history: list[dict[str, Any]] = field(default_factory=list)  # a row of results.csv each
    best: Best | None = None  # None before the first epoch
    patience: Patience = field(default_factory=Patience)
    progress: Progress = field(default_factory=Progress)  # of the epoch under way

    def is_over(self, config: TrainConfig) -> bool:
        """Whether it has all its epochs, or has run out of patience."""
        return self.epoch >= config.epochs or (self.epoch > 0 and self.patience.is_over(config))

    @classmethod
    def from_checkpoint(cls, checkpoint: dict[str, Any]) -> "RunState":
        """What a checked checkpoint says; rank 0 carries on the figures of the epoch under way."""
        progress = Progress(**checkpoint["progress"])
        progress.weight = checkpoint["progress"].get("weight", progress.images)  # older: every image weighs 1
        if not distributed.is_main():
            progress = replace(progress, loss_sum=0.0, weight=0.0, images=0, bad=[], lone=0)
        best = Best.from_plain(checkpoint["best"])
        patience = Patience(**checkpoint["patience"])
        return cls(checkpoint["epoch"], checkpoint["history"], best, patience, progress)


def to_checkpoint(
    state: TrainState, run_state: RunState, config: TrainConfig, splits: Splits, preprocess: Preprocess
) -> dict[str, Any]:
    """A checkpoint that a run can be resumed from: tensors and plain types alone."""
    return {
        "net": state.model.state_dict(),
        "net_ema": state.ema.model.state_dict() if state.ema else None,
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "scaler": state.scaler.state_dict(),
        "epoch": run_state.epoch,
        "step": state.step,
        "best": run_state.best.to_plain() if run_state.best else {},
        "history": run_state.history,
        "patience": asdict(run_state.patience),
        "progress": asdict(run_state.progress),
        "config": to_plain(config),
        "classes": list(splits.classes),
        "preprocess": preprocess.to_plain(),
        "world_size": distributed.world_size(),
        "train_images": len(splits.train or ()),
        "fingerprints": {"train": list(splits.training.fingerprint()), "val": list(splits.val.fingerprint())},
    }
