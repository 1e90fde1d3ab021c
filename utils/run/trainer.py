"""The run as a loop over epochs: train, evaluate, record, save."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from torch import nn

from .. import distributed
from ..data.samplers import TrainBatches
from ..data.source import Source
from ..log import log
from ..report.file_names import is_of_folds
from ..signals import Stopped, StopRequest
from ..training.build import make_mixer
from ..training.engine import StepHooks, train_one_epoch
from ..training.fixed_shape import for_evaluation
from ..training.schedulers import lay_anew, learning_rate
from ..training.state import Progress, summed
from ..weights.best import KINDS
from .begin import Parts
from .final import conclude, seconds_of_conclusion
from .folder import RunFolder
from .known import images_of_train
from .networks import Networks
from .nothing import check_evaluated, check_trained
from .observers import Epoch, Lines, Observer, RunTables
from .page import Page
from .saver import Saver
from .scoring import Scored, chosen, score
from .state import RunState, to_checkpoint
from .time_limit import TimeLimit, with_epochs


class Trainer(StepHooks):
    def __init__(
        self,
        parts: Parts,
        run_state: RunState,
        folder: RunFolder,
        limit: TimeLimit,
        observers: Sequence[Observer] = (),
    ) -> None:
        """limit: begun with the run.  observers: beside the tables and the log, which every run has."""
        self.parts, self.config, self.state = parts, parts.config, parts.state
        self.run_state, self.folder, self.limit = run_state, folder, limit
        # of the epochs since this process began with the one under way, of which a part may be done already
        self.ends = [time.monotonic() - run_state.progress.seconds]
        self.networks = Networks(self.state.model, parts.freezing, self.config, parts.recipe, run_state.epoch)
        self.scored: dict[str, nn.Module] = {"net": for_evaluation(self.state.model, self.config)}
        if self.state.ema is not None:
            self.scored["net_ema"] = for_evaluation(self.state.ema.model, self.config)
        self.saver = Saver(folder)
        lines = Lines(self.config, parts.train_loader.num_workers)
        self.page = Page(folder, self.config.max_image_pixels)
        self.observers: Sequence[Observer] = (RunTables(folder, self.saver.write), lines, self.page, *observers)
        self.stop_request = StopRequest()
        self.named: set[str] = set()  # unreadable files that were named already

    def loop(self) -> None:
        """All epochs that are left. Raises Stopped, with last.pth written, when a signal asks for it."""
        with self.stop_request:
            while not self.run_state.is_over(self.config):
                self._epoch()
            if self.saver.has_best():  # else no epoch was one, or finish() says that it cannot be written
                conclude(self.parts, self.folder, self.saver.write, self._stop_if_asked, self._name_bad)
            self.saver.finish()
            self.page.finish()

    def leave_other_folds(self) -> None:
        """Raises Stopped where a signal came too late to stop this run, but not the folds that are left."""
        if self.stop_request and self._is_of_folds():
            raise Stopped(self.stop_request.signum)

    def _is_of_folds(self) -> bool:
        return is_of_folds(self.folder.path.resolve().parents[1])

    def _epoch(self) -> None:
        epoch, config, parts = self.run_state.epoch, self.config, self.parts
        done = self.state.step - epoch * parts.steps_per_epoch  # more than 0 only when resumed within the epoch
        batches = cast(TrainBatches, parts.train_loader.batch_sampler)
        batches.set_epoch(epoch, done * config.accumulate_steps)
        mixer = make_mixer(config, len(parts.splits.classes), epoch)
        progress = train_one_epoch(
            self.state,
            self.networks.of(epoch),
            parts.train_loader,
            parts.recipe,
            mixer,
            self.run_state.progress,
            hooks=self,
            name=f"epoch {epoch + 1}/{config.epochs}",
        )
        self.run_state.progress = progress
        self._name_bad(parts.splits.training, progress.bad)
        check_trained(parts.splits.training, progress)
        if progress.lone:
            log.warning(
                f"epoch {epoch + 1}: readable, but left out: {progress.lone:,}, the only image left of its batch each "
                "time, from which BatchNorm cannot learn; the unreadable files of these batches are named above"
            )
        self._finish_epoch(progress)

    def stop(self) -> bool:
        return bool(self.stop_request)

    def warn(self, text: str) -> None:
        log.warning(text)

    def after_step(self, settled: Callable[[], Progress], stopping: bool) -> None:
        for observer in self.observers:
            if observer.every and self.state.step % observer.every == 0:
                observer.on_step(self.state.step, {"train_loss": settled().loss, "lr": self._rate()})
        every = self.config.save_steps
        if not stopping and not (every and self.state.step % every == 0):
            return
        run_state = replace(self.run_state, progress=summed(settled(), self.parts.recipe.device))
        if stopping:
            self._leave(run_state)
        self.saver.last(self._checkpoint(run_state))

    def _rate(self) -> float:
        """The learning rate of the step before."""
        step = max(0, self.state.scheduler.last_epoch - 1)
        return learning_rate(self.config, step, self.parts.steps_per_epoch)

    def _leave(self, run_state: RunState) -> None:
        """Save and end this rank, as all others do now, with the signal that came to some of them."""
        signum = max(distributed.gather(self.stop_request.signum)) or signal.SIGTERM
        self.saver.last(self._checkpoint(run_state), final=True)
        # tools/cross_validate.py says how all folds go on
        how = "" if self._is_of_folds() else f"; python train.py --resume {self.folder.path} continues"
        log.info(f"stopped at step {self.state.step}{how}")
        raise Stopped(signum)

    def _finish_epoch(self, progress: Progress) -> None:
        """Evaluate; record; count the epoch as finished; save."""
        start, run_state = time.perf_counter(), self.run_state
        scored = self._evaluate()
        row = self._row(progress, scored, progress.seconds + time.perf_counter() - start)
        winner, best = chosen(scored, row["epoch"], self.config.monitor)
        finite = math.isfinite(progress.loss) and best.finite
        if not finite:
            log.warning(
                f"epoch {best.epoch}: its losses are not all finite, so it is not the best; try a smaller init_lr"
            )
        is_best = finite and best.beats(run_state.best)
        run_state.best = best if is_best else run_state.best
        run_state.patience = run_state.patience.after(best, self.config)
        run_state.history.append(row)
        run_state.epoch += 1
        run_state.progress = Progress(in_a_row=progress.in_a_row)
        self._keep_to_limit()
        checkpoint = self._checkpoint(run_state)
        if is_best:
            self.saver.best(checkpoint, winner.evaluation, winner.metrics)
        epoch = Epoch(
            run_state.history,
            scored[0].metrics,
            list(self.parts.splits.classes),
            progress,
            KINDS[winner.weights] if is_best else "",
            self.config.epochs,
        )
        for observer in self.observers:
            observer.on_epoch(epoch)
        # last, so that a run that is killed before does all of it again
        self.saver.last(checkpoint, final=run_state.is_over(self.config))
        self._say_if_out_of_patience(row["lr"])
        self.saver.write("the pictures", self.folder.draw_now_and_then)

    def _say_if_out_of_patience(self, rate: float) -> None:
        config, patience = self.config, self.run_state.patience
        if patience.is_over(config) and self.run_state.epoch < config.epochs:
            log.info(
                f"{config.monitor}: no better in {patience.waited} epochs (patience = {config.patience}), so that the "
                f"run ends after epoch {self.run_state.epoch} of {config.epochs}, at a learning rate of {rate:.3g}"
            )

    def _keep_to_limit(self) -> None:
        """With max_minutes: as many epochs as fit by what the last ones took, and the schedule for so many."""
        finished = self.run_state.epoch
        if not self.config.max_minutes or finished == self.config.epochs:
            return
        self.ends.append(time.monotonic())
        first = finished - len(self.ends) + 1
        whole = self.ends[max(0, self.config.freeze_epochs - first) :]  # those that trained all of the network
        if len(whole) < 2:
            return
        seconds = (whole[-1] - whole[0]) / (len(whole) - 1)
        config = with_epochs(self.config, self.limit.epochs_in_all(finished, self.config.epochs, seconds))
        if config.epochs == self.config.epochs:
            return
        log.info(
            f"max_minutes: an epoch takes {seconds:.1f} s, so that {config.epochs} fit, not {self.config.epochs}; the "
            "schedule is laid anew"
        )
        self.config, self.parts = config, replace(self.parts, config=config)
        lay_anew(self.state.scheduler, self.config, self.parts.steps_per_epoch)
        self.saver.write("train_config.py", partial(self.folder.write_config, config))

    def _row(self, progress: Progress, scored: list[Scored], seconds: float) -> dict[str, Any]:
        """Of results.csv. seconds: of the whole epoch."""
        (raw, *averaged), monitor = scored, self.config.monitor
        row = {"epoch": self.run_state.epoch + 1, "train_loss": progress.loss, **raw.columns(monitor)}
        row |= {
            "lr": self._rate(),
            "images_per_second": progress.images / progress.seconds if progress.seconds else 0.0,
            "data_wait": progress.waited / progress.seconds if progress.seconds else 0.0,
            "seconds": seconds,
        }
        for other in averaged:
            row |= other.columns(monitor)
        return row

    def _evaluate(self) -> list[Scored]:
        """The raw weights and, where they are kept, the averaged ones."""
        parts, start = self.parts, time.monotonic()
        scored = score(
            self.scored,
            parts.val_loader,
            parts.recipe,
            len(parts.splits.classes),
            stop=self._stop_if_asked,
            monitor=self.config.monitor,
        )
        self._name_bad(parts.splits.val, scored[0].evaluation.bad)
        check_evaluated(parts.splits.val, scored[0].evaluation, "val")
        self.limit.reserve = seconds_of_conclusion(
            parts.splits, time.monotonic() - start, len(scored), images_of_train(self.config, parts.splits)
        )
        return scored

    def _stop_if_asked(self) -> None:
        if distributed.any_rank(self.stop(), self.parts.recipe.device):
            self._leave(self.run_state)

    def _checkpoint(self, run_state: RunState) -> dict[str, Any]:
        parts = self.parts
        return to_checkpoint(parts.state, run_state, parts.config, parts.splits, parts.preprocess)

    def _name_bad(self, images: Source, bad: Sequence[tuple[int, str]]) -> None:
        for index, reason in bad:
            if (name := images.name(index)) not in self.named:
                self.named.add(name)
                log.warning(f"left out, cannot be read: {name}: {reason}")
