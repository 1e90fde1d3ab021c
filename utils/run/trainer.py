"""The run as a loop over epochs: train, evaluate, record, save."""

import math
import signal
import time
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.utils.data import DataLoader

from .. import distributed
from ..config import TrainConfig
from ..data.listing import ImageList, Splits
from ..data.preprocess import Preprocess
from ..log import log
from ..signals import Stopped, StopRequest
from ..training.build import make_mixer
from ..training.engine import Evaluation, Progress, Recipe, TrainState, evaluate, summed, train_one_epoch
from ..training.metrics import Metrics, metrics_from
from ..training.schedulers import learning_rate
from .folder import RunFolder
from .hints import waiting_hint
from .saver import Saver
from .state import Standing, pack


@dataclass(frozen=True)
class Scored:
    """One set of weights after an epoch. `weights` is its key in the checkpoint: 'net' or 'net_ema'."""

    weights: str
    evaluation: Evaluation
    metrics: Metrics

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: accuracy first, the lower validation loss among equals."""
        return order_of(self.metrics.accuracy, self.evaluation.loss)

    def columns(self, prefix: str = "") -> dict[str, float]:
        return {f"{prefix}{name}": value for name, value in self.metrics.summary(self.evaluation.loss).items()}


def order_of(accuracy: float, loss: float) -> tuple[float, float]:
    return accuracy, -math.inf if math.isnan(loss) else -loss


@dataclass
class Trainer:
    config: TrainConfig
    splits: Splits
    preprocess: Preprocess
    recipe: Recipe
    state: TrainState
    standing: Standing
    folder: RunFolder
    train_loader: DataLoader
    val_loader: DataLoader

    def __post_init__(self) -> None:
        self.steps_per_epoch = -(-len(self.train_loader) // self.config.accumulate_steps)
        self.network: nn.Module = distributed.parallel(self.state.model, self.recipe.device)
        if self.config.compile:
            self.network = torch.compile(self.network)
        self.saver = Saver(self.folder)
        self.told: set[str] = set()  # unreadable files named already
        self.epochs_told, self.hinted = 0, False

    def loop(self) -> None:
        """All epochs that are left. Raises Stopped, with last.pth written, when a signal asks for it."""
        with StopRequest() as stop:
            while self.standing.epoch < self.config.epochs:
                self._epoch(stop)
            self.saver.finish()

    def _epoch(self, stop: StopRequest) -> None:
        epoch, config = self.standing.epoch, self.config
        done = self.state.step - epoch * self.steps_per_epoch  # more than 0 only when resumed within the epoch
        self.train_loader.batch_sampler.set_epoch(epoch, done * config.accumulate_steps)
        progress = train_one_epoch(
            self.state,
            self.network,
            self.train_loader,
            self.recipe,
            make_mixer(config, len(self.splits.classes), epoch),
            self.standing.progress,
            accumulate=config.accumulate_steps,
            stop=lambda: bool(stop),
            after_step=lambda progress, stopping: self._after_step(progress, stopping, stop),
            name=f"epoch {epoch + 1}/{config.epochs}",
        )
        self.standing.progress = progress
        self._name_bad(self.splits.train, progress.bad)
        self._finish_epoch(progress, stop)

    def _after_step(self, progress: Progress, stopping: bool, stop: StopRequest) -> None:
        every = self.config.save_steps
        if not stopping and not (every and self.state.step % every == 0):
            return
        standing = replace(self.standing, progress=summed(progress, self.recipe.device))
        if stopping:
            self._leave(stop, standing)
        self.saver.last(self._pack(standing))

    def _leave(self, stop: StopRequest, standing: Standing) -> None:
        """Save and end this rank, as all others do now, with the signal that came to some of them."""
        signum = max(distributed.gather(stop.signum)) or signal.SIGTERM
        self.saver.last(self._pack(standing), final=True)
        log.info(f"stopped at step {self.state.step}; python train.py --resume {self.folder.path} continues")
        raise Stopped(signum)

    def _finish_epoch(self, progress: Progress, stop: StopRequest) -> None:
        start = time.perf_counter()
        raw, *averaged = scored = self._evaluate(stop)
        seconds = progress.seconds + time.perf_counter() - start
        row = {"epoch": self.standing.epoch + 1, "train_loss": progress.loss, **raw.columns()}
        row |= {
            "lr": learning_rate(self.config, max(0, self.state.scheduler.last_epoch - 1), self.steps_per_epoch),
            "images_per_second": progress.images / progress.seconds if progress.seconds else 0.0,
            "data_wait": progress.waited / progress.seconds if progress.seconds else 0.0,
            "seconds": seconds,
        }
        for other in averaged:
            row |= other.columns("ema_")
        winner = max(scored, key=lambda item: item.rank)
        before = self.standing.best
        better = not before or winner.rank > order_of(before["accuracy"], before["val_loss"])
        self._conclude(row, raw, winner if better else None)
        self._tell(row, progress, better)
        self.saver.write("the pictures", self.folder.draw_now_and_then)

    def _conclude(self, row: dict, raw: Scored, best: Scored | None) -> None:
        """Count the epoch as finished, and save it."""
        standing = self.standing
        if best is not None:
            standing.best = {
                "epoch": row["epoch"],
                "accuracy": best.metrics.accuracy,
                "val_loss": best.evaluation.loss,
                "weights": best.weights,
            }
        standing.history.append(row)
        standing.epoch += 1
        standing.progress = Progress(in_a_row=standing.progress.in_a_row)
        figures = None if best is None else (best.evaluation, best.metrics)
        self.saver.epoch(self._pack(standing), raw.metrics, figures, final=standing.epoch == self.config.epochs)

    def _evaluate(self, stop: StopRequest) -> list[Scored]:
        """The raw weights and, where they are kept, the averaged ones."""
        models = {"net": self.state.model}
        if self.state.ema is not None:
            models["net_ema"] = self.state.ema.model
        for model in models.values():
            distributed.share_buffers(model)

        def stop_if_asked() -> None:
            if distributed.any_rank(bool(stop), self.recipe.device):
                self._leave(stop, self.standing)

        num_classes = len(self.splits.classes)
        found = evaluate(list(models.values()), self.val_loader, self.recipe, num_classes, stop=stop_if_asked)
        self._name_bad(self.splits.val, found[0].bad)
        return [Scored(name, e, metrics_from(e.confusion.numpy())) for name, e in zip(models, found)]

    def _pack(self, standing: Standing) -> dict:
        return pack(self.state, standing, self.config, self.splits, self.preprocess)

    def _name_bad(self, images: ImageList, bad: list[tuple[int, str]]) -> None:
        for index, reason in bad:
            if (path := images.path(index)) not in self.told:
                self.told.add(path)
                log.warning(f"left out, cannot be read: {path}: {reason}")

    def _tell(self, row: dict, progress: Progress, best: bool) -> None:
        parts = [f"epoch {row['epoch']}/{self.config.epochs}"]
        names = {"train_loss": "train loss", "val_loss": "val loss", "f1": "F1", "ema_accuracy": "EMA accuracy"}
        for name in ("train_loss", "val_loss", "accuracy", "precision", "recall", "f1", "ema_accuracy"):
            if name in row:
                parts.append(f"{names.get(name, name)} {row[name]:.4f}")
        parts += [f"lr {row['lr']:.3g}", f"{row['images_per_second']:.0f} images/s"]
        parts += [f"waiting {row['data_wait']:.0%}", f"{row['seconds']:.1f} s"]
        if progress.non_finite:
            parts.append(f"{progress.non_finite} steps skipped")
        if progress.bad:
            parts.append(f"{len(progress.bad)} unreadable")
        log.info("  ".join(parts) + ("  * best" if best else ""))
        self._hint(row["data_wait"])

    def _hint(self, waited: float) -> None:
        """Once a run, and not after its first epoch, in which the loading processes start."""
        self.epochs_told += 1
        config, local = self.config, distributed.local_world_size()
        workers = self.train_loader.num_workers
        options = {"local_world_size": local, "cache": config.cache, "img_size": config.img_size}
        if not self.hinted and self.epochs_told > 1 and (hint := waiting_hint(waited, workers=workers, **options)):
            self.hinted = True
            log.warning(hint)
