"""How far a run has come, and all of it as a checkpoint."""

from dataclasses import asdict, dataclass
from typing import Any

from .. import distributed
from ..config import TrainConfig, to_plain
from ..data.listing import Splits
from ..data.preprocess import Preprocess
from ..training.engine import Progress, TrainState


@dataclass
class Standing:
    """How far a run has come, and what it has seen so far."""

    epoch: int  # epochs finished
    history: list[dict[str, Any]]
    best: dict[str, Any]  # epoch, accuracy, val_loss, weights ('net' or 'net_ema'); empty before the first epoch
    progress: Progress  # of the epoch under way


def pack(state: TrainState, standing: Standing, config: TrainConfig, splits: Splits, preprocess: Preprocess) -> dict:
    """A checkpoint: tensors and plain types alone. DESIGN.md, section 5."""
    return {
        "net": state.model.state_dict(),
        "net_ema": state.ema.model.state_dict() if state.ema else None,
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "scaler": state.scaler.state_dict(),
        "epoch": standing.epoch,
        "step": state.step,
        "best": standing.best,
        "history": standing.history,
        "progress": asdict(standing.progress),
        "config": to_plain(config),
        "classes": list(splits.classes),
        "preprocess": preprocess.to_plain(),
        "world_size": distributed.world_size(),
        "train_images": len(splits.train or ()),
    }
