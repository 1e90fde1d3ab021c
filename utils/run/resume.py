"""From a checkpoint back into a run: which file, whether it fits, and where in the run it belongs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import distributed
from ..config.keys import AUTO_KEYS, TrainConfig
from ..config.rules import train_problems
from ..config.schema import check, literal
from ..config.without_effect import overruled
from ..data.samplers import steps_in_epoch
from ..data.source import Splits
from ..errors import ConfigError, WeightsError
from ..log import log
from ..recipe.length import fitted
from ..training.groups import in_order_of
from ..training.metrics import COLUMNS, MONITORS
from ..training.optim import load_optimizer
from ..training.schedulers import learning_rate, set_rates
from ..training.state import Progress, TrainState
from ..weights.best import Best
from ..weights.checkpoint import load_checkpoint
from ..weights.checkpoint_schema import check_state, validated
from ..weights.run_folder import BEST, LAST, PREVIOUS
from .differences import ORDER, Differences, change_of_val, check_resume, differences
from .folder import RunFolder
from .kept import states_deleted
from .patience import Patience
from .scoring import PREFIXES
from .state import RunState
from .time_limit import TimeLimit

OF_A_START = ("log_root", "exp_name", "pretrained", "weights_dir", "weights_mirror", "head_init")  # done with by then
OF_FALLS = ("init_lr", "warmup_epochs", "warmup_type", "steps", "lr_gamma")  # what step_lr and exponential_lr go by


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint with every entry checked, as it may come from elsewhere. Raises WeightsError."""
    return validated(load_checkpoint(path), path)


def read_resumable(path: Path) -> dict[str, Any]:
    """`read_checkpoint` of one that holds the state of a run. Raises WeightsError."""
    checkpoint = read_checkpoint(path)
    if checkpoint["optimizer"] is None:
        way = f"a run is resumed from {LAST} or {PREVIOUS}; load_from starts a new one with these weights"
        raise WeightsError(f"{path}: holds weights alone, without the state of a run: {way}")
    return checkpoint


def find_checkpoint(wanted: Path) -> tuple[Path, dict[str, Any], str]:
    """(path, checkpoint, what is wrong with `wanted` if it is not that): the furthest good one of a run folder.

    Raises WeightsError if none can be read.
    """
    try:
        return wanted, read_resumable(wanted), ""
    except WeightsError as error:
        problems = [str(error)]
    good = []
    for path in (wanted.with_name(name) for name in (LAST, PREVIOUS, BEST)):  # older versions' best.pth held all
        if wanted.name in (LAST, PREVIOUS, BEST) and path != wanted and path.is_file():
            try:
                good.append((path, read_resumable(path)))
            except WeightsError as error:
                problems.append(str(error))
    if not good:
        raise WeightsError(states_deleted(wanted.parent) or "; ".join(problems))
    path, checkpoint = max(good, key=lambda item: item[1]["step"])
    return path, checkpoint, problems[0]


@dataclass(frozen=True)
class ResumePoint:
    """What a run goes on from."""

    config: TrainConfig  # whose 'auto' keys are as the run has found them
    wanted: Path
    path: Path  # another one where `wanted` has a `problem`
    checkpoint: dict[str, Any]
    problem: str
    changes: Differences

    @classmethod
    def read(cls, config: TrainConfig, splits: Splits, *, force: bool) -> "ResumePoint":
        """Of config.load_from. Raises WeightsError if it cannot be read or does not fit."""
        wanted = Path(config.load_from)
        path, checkpoint, problem = find_checkpoint(wanted)
        decided = {name: checkpoint["config"][name] for name in OF_A_START}
        for sentence in overruled(config, decided, f"the run in {path.parent}, which goes on,"):
            log.warning(sentence)
        config = as_found(config, checkpoint["config"])
        changes = differences(checkpoint, config, splits)
        check_resume(changes, config.load_from, force=force)
        if change := change_of_val(checkpoint, splits):
            log.warning(change)
        return cls(config, wanted, path, checkpoint, problem, changes)

    def restore(self, config: TrainConfig, state: TrainState) -> tuple[RunState, RunFolder]:
        """Put everything back into `state`, report what is not as it was, and make the folder what it was then."""
        if self.problem:
            ended = self.checkpoint["epoch"] >= config.epochs
            how = "the state of the run is that of" if ended else "going on from"
            log.warning(f"{self.problem}; {how} {self.path}, step {self.checkpoint['step']}")
        run_state = restore(self.checkpoint, state, self.path)
        if self.changes.values:
            find_place(self.changes, self.checkpoint, config, state, run_state)
        report_epochs(self.checkpoint, config, state)
        folder = RunFolder(self.path.parent)
        check_best(folder, run_state)
        follow_monitor(run_state, config)
        folder.clear(self.wanted if self.problem and self.wanted.name != BEST else None)  # which may be sound
        folder.rewind(self.checkpoint["history"])
        return run_state, folder


def as_found(config: TrainConfig, saved: dict[str, Any]) -> TrainConfig:
    """A key that is 'auto' stays what it was found to be as the run began. saved: the config of its checkpoint.

    What another number of epochs leaves no room for is fitted to them, which is said.
    Raises ConfigError where what was found contradicts what the user sets now.
    """
    values, _ = check(TrainConfig, saved)
    found = {name: values[name] for name in AUTO_KEYS if getattr(config, name) == "auto"}
    config = replace(config, **found)
    within = fitted(config)
    for name, value in found.items():
        if (fits := getattr(within, name)) != value:
            log.warning(f"{name}: {literal(fits)} instead of {literal(value)}, as epochs = {config.epochs} now")
            config = replace(config, **{name: fits})
    if found and (problems := train_problems(vars(config))):
        raise ConfigError("config, with what the run has found", problems)
    return config


def restore(checkpoint: dict[str, Any], state: TrainState, path: Path) -> RunState:
    """Put the state of the checkpoint at `path` back, and say how far the run had come.

    Rates and options of the optimizer stay those of `state`, which the config of now has decided.
    Raises WeightsError if it does not fit.
    """
    optimizer = in_order_of(state.model, checkpoint["optimizer"], state.optimizer)
    checkpoint = {**checkpoint, "optimizer": optimizer}
    check_state(checkpoint, state, path)
    options = [{k: v for k, v in group.items() if k != "params"} for group in state.optimizer.param_groups]
    rates = state.scheduler.base_lrs
    state.model.load_state_dict(checkpoint["net"])
    if state.ema is not None:
        state.ema.model.load_state_dict(checkpoint["net_ema"])
    load_optimizer(state.optimizer, checkpoint["optimizer"])
    state.scheduler.load_state_dict(checkpoint["scheduler"])
    if checkpoint["scaler"]:  # empty without mixed precision
        state.scaler.load_state_dict(checkpoint["scaler"])
    for group, option in zip(state.optimizer.param_groups, options):
        group.update(option)
    state.scheduler.base_lrs = rates
    set_rates(state.scheduler)
    state.step = checkpoint["step"]
    return RunState.from_checkpoint(checkpoint)


def find_place(
    found: Differences, checkpoint: dict[str, Any], config: TrainConfig, state: TrainState, run_state: RunState
) -> None:
    """After --force: where the run is when steps are no longer what they were.

    With another number of images a step, the epoch goes on after as many images as it has seen, rounded down to whole
    steps; in another order of images it starts again. The schedule moves to the same place in epochs.
    """
    then = steps_of(checkpoint["config"], checkpoint["train_images"], checkpoint["world_size"])
    images = found.values.get("train images", (None, checkpoint["train_images"]))[1]
    now = steps_of(vars(config), images, distributed.world_size())
    within = state.step - run_state.epoch * then
    if within == then:
        within = now  # only the evaluation is left
    elif found.among(ORDER):
        within, run_state.progress = 0, Progress(in_a_row=run_state.progress.in_a_row)
    else:
        within = within * _images_per_step(checkpoint["config"], checkpoint["world_size"])
        within = min(now, within // _images_per_step(vars(config), distributed.world_size()))
    state.step = run_state.epoch * now + within
    state.scheduler.last_epoch = state.step
    set_rates(state.scheduler)
    where = f"epoch {run_state.epoch + 1} goes on at step {within + 1} of {now}"
    if run_state.epoch >= config.epochs:
        where = "no epoch is left"
    elif within == now:
        where = f"epoch {run_state.epoch + 1} is trained, and will be evaluated"
    log.warning(f"forced: {found}; {where}")


def steps_of(config: dict[str, Any], images: int, processes: int) -> int:
    return steps_in_epoch(images, config["batch_size"], processes, config["accumulate_steps"])


def _images_per_step(config: dict[str, Any], processes: int) -> int:
    return config["batch_size"] * config["accumulate_steps"] * processes


def check_best(folder: RunFolder, run_state: RunState) -> None:
    """Forget a best epoch that best.pth no longer holds, so that the next one is kept. Reads best.pth.

    What it holds is noted in the folder, also of a run that was begun before there were such notes.
    """
    if run_state.best is None:
        return
    path = folder.path / BEST
    try:
        held = Best.from_plain(read_checkpoint(path)["best"])
    except WeightsError as error:
        run_state.best = None
        folder.note_best(None)
        log.warning(f"{error}; the best of the epochs to come will be kept")
        return
    folder.note_best(held)
    if held is not None and held.epoch > run_state.epoch:
        again = "which comes again; the best of the epochs to come will be kept"
        log.warning(f"{path}: is of epoch {held.epoch}, {again}")
        run_state.best = None
    elif held is None or held.epoch < run_state.best.epoch:
        found = f"epoch {held.epoch}" if held else "no epoch"
        log.warning(f"{path}: holds {found}, not {run_state.best.epoch}, which is lost")
        run_state.best = held


def follow_monitor(run_state: RunState, config: TrainConfig) -> None:
    """Where epochs to come are compared by another figure: that of the best epoch so far, which best.pth stays of."""
    best, monitor = run_state.best, config.monitor
    if best is None or best.metric == monitor or run_state.epoch >= config.epochs:
        return
    row = next((row for row in run_state.history if row["epoch"] == best.epoch), {})
    value = row.get(PREFIXES[best.weights] + COLUMNS.get(monitor, monitor))
    change = f"monitor: was {best.metric}, is {monitor}"
    if value is None:
        run_state.best, run_state.patience = None, Patience()
        log.warning(f"{change}, which the epochs so far have not recorded: the best of those to come will be kept")
        return
    run_state.best = replace(best, value=value, metric=monitor, mode=MONITORS[monitor])
    run_state.patience = Patience(value)
    log.warning(f"{change}: epoch {best.epoch} stays the best, with {value:.4f}, until one is better")


def report_epochs(checkpoint: dict[str, Any], config: TrainConfig, state: TrainState) -> None:
    """Say how the learning rate goes on where `epochs` has changed."""
    before = checkpoint["config"]["epochs"]
    if before == config.epochs:
        return
    then = TrainConfig(**check(TrainConfig, checkpoint["config"])[0])
    steps_then = steps_of(vars(then), checkpoint["train_images"], checkpoint["world_size"])
    old = learning_rate(then, checkpoint["scheduler"]["last_epoch"], steps_then)
    new = config.init_lr * state.scheduler.lr_lambdas[0](state.scheduler.last_epoch)
    change = f"epochs: {'extended' if config.epochs > before else 'shortened'} from {before} to {config.epochs}"
    if then.scheduler_type != config.scheduler_type:
        change += f"; scheduler_type was {then.scheduler_type}, is {config.scheduler_type}"
    elif config.scheduler_type == "cosine_lr":
        change += "; the cosine is drawn anew"
    elif all(getattr(then, name) == getattr(config, name) for name in OF_FALLS):
        log.info(f"{change}; {config.scheduler_type} goes on as it was")
        return
    change += f": the learning rate goes on at {new:.3g} instead of {old:.3g}"
    falls = config.scheduler_type == "cosine_lr"
    log.info(change + (f" and falls to {config.min_lr:g} at the end of epoch {config.epochs}" if falls else ""))


def with_time_left(config: TrainConfig, checkpoint: dict[str, Any], limit: TimeLimit) -> TrainConfig:
    """The limit of a run that is resumed counts what was spent before; there is none where the user sets epochs now."""
    limit.spent_before(sum(row["seconds"] for row in checkpoint["history"]) + checkpoint["progress"]["seconds"])
    return replace(config, max_minutes=0) if config.epochs != checkpoint["config"]["epochs"] else config
