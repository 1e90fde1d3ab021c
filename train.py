"""Train an image classifier on a folder of images, and leave a run folder in logs/<model>/expN: train.py data/photos

What is not said comes from train_config.py.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from utils import distributed
from utils.cli import OptionParser, add_config_options, config_file, leave, read_options, run_command
from utils.config import ConfigError, TrainConfig, load_train_config, run_config_from
from utils.cpu.allocator import keep_freed_memory
from utils.lock import held
from utils.log import RunLog, log
from utils.run import elastic
from utils.run.begin import assemble, report_stages, weights_to_start_from, with_file
from utils.run.command_line import add_words, overrides_of
from utils.run.environment import environment
from utils.run.evaluate_only import validate
from utils.run.folder import RunFolder, check_place, open_run_folder
from utils.run.kept import delete_states
from utils.run.observers import Observer
from utils.run.plan import planned
from utils.run.resume import ResumePoint, find_checkpoint, with_time_left
from utils.run.splits import read_data
from utils.run.state import RunState
from utils.run.time_limit import TimeLimit
from utils.run.tracking import check_trackers, tracked
from utils.run.trainer import Trainer
from utils.run.trial import affordable_epochs
from utils.signals import terminations_raise
from utils.threads import compute_with, threads_in_use
from utils.weights.run_folder import state_path

import torch
from torch import nn

CONFIG = "train_config.py"
OF_RESUME = ("config_path", "load_from", "resume")  # keys whose values come with the option --resume


def run(
    config: TrainConfig,
    *,
    force: bool = False,
    observers: Sequence[Observer] = (),
    start: float | None = None,
    source: str = "",
    explicit: Collection[str] = (),
) -> Path:
    """One run under `config`; inside a process group, one rank's part of it. Returns the run folder.

    force: resume although seed, batches or processes are not what they were.
    observers: who is given the figures while it trains, beside the tables and the log.
    start: when max_minutes began, by time.monotonic(); None is now.
    source: for the log: the file that `config` comes from.
    explicit: keys that the user has set even where they have the values of the defaults.
    """
    config = with_file(config)
    torch.backends.cudnn.benchmark = config.use_benchmark
    device = distributed.pick_device(config.device, config.gpu_ids)
    distributed.use(device)
    compute_with(config.num_threads)
    limit = TimeLimit.begin(config, start)
    with RunLog() as run_log:
        if device.type == "cpu":
            keep_freed_memory()
            threads = threads_in_use(config.num_threads)
            log.info("threads: {threads} ({threads_because}); while they wait, they {threads_wait}".format(**threads))
        if source:
            log.info(f"command: {shlex.join(sys.argv)}")
            log.info(f"config: {os.path.abspath(source)}")
        if config.only_val:
            return validate(config, device, run_log, explicit)
        check_trackers(config)
        if not config.resume:
            check_place(config)
        options = {"force": force or elastic.restarted(), "observers": observers, "explicit": explicit}
        return train(elastic.resumed(config), device, run_log, limit, **options)


def train(
    config: TrainConfig,
    device: torch.device,
    run_log: RunLog,
    limit: TimeLimit,
    *,
    force: bool,
    observers: Sequence[Observer],
    explicit: Collection[str],
) -> Path:
    """Train from the start or, where config.resume says so, on from the checkpoint config.load_from."""
    splits, point = read_data(config), None
    with ExitStack() as locks:
        if config.resume:
            locks.enter_context(held(Path(config.load_from).parent))
            point = ResumePoint.read(config, splits, force=force)
            config = replace(point.config, resume=False, load_from=point.checkpoint["config"]["load_from"])
            config = with_time_left(config, point.checkpoint, limit)
        fitting = partial(affordable_epochs, splits=splits, device=device, limit=limit)
        weights = weights_to_start_from(config) if point is None else None
        config, recipe = (config, []) if point else planned(config, splits, device, weights, fitting, explicit)
        parts = assemble(config, splits, device, weights)
        if point is not None:
            run_state, folder = point.restore(config, parts.state)
        else:
            run_state = RunState()
            locks.enter_context(terminations_raise())
            folder = open_run_folder(config)
            locks.enter_context(folder.removed_if_interrupted())
            locks.enter_context(held(folder.path))
        elastic.remember(config, folder.path)
        run_log.write_to(folder.path)
        folder.begin(config, splits, environment(device, config.num_threads), parts.steps_per_epoch)
        folder.record_recipe(recipe)
        report_start(config, parts.state.model, device, run_state, folder)
        report_stages(parts)
        with tracked(config, folder.path, run_state.history) as trackers:
            trainer = Trainer(parts, run_state, folder, limit, (*observers, *trackers))
            trainer.loop()
        elastic.forget(config)
        if config.keep == "best":
            delete_states(folder, run_state.best)
    report_end(run_state, folder)
    trainer.leave_other_folds()
    return folder.path


def report_start(
    config: TrainConfig, model: nn.Module, device: torch.device, run_state: RunState, folder: RunFolder
) -> None:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    processes = f", {distributed.world_size()} processes" if distributed.world_size() > 1 else ""
    log.info(f"{config.model_prefix} {config.model_suffix}: {parameters:,} parameters on {device}{processes}")
    if run_state.epoch > config.epochs:
        log.info(f"{folder.path} has {run_state.epoch} epochs already, more than epochs = {config.epochs}")
    elif run_state.epoch == config.epochs:
        none = ", max_minutes adds none to a run that has ended" if config.max_minutes else ""
        log.info(f"{folder.path} has all its {config.epochs} epochs; --set epochs=N would add some{none}")
    elif run_state.is_over(config):
        log.info(f"{folder.path} ran out of patience in epoch {run_state.epoch}; --set patience=N would let it go on")
    elif run_state.epoch or run_state.progress.images:
        log.info(f"resuming {folder.path} in epoch {run_state.epoch + 1} of {config.epochs}")
    else:
        log.info(f"writing to {folder.path}")


def report_end(run_state: RunState, folder: RunFolder) -> None:
    best = run_state.best
    found = f"best {best.metric} {best.value:.4f} in epoch {best.epoch}" if best else "without a best.pth"
    log.info(f"done: {found}; see {folder.path}")


def read_arguments(arguments: argparse.Namespace, overrides: Mapping[str, Any]) -> TrainConfig:
    """The config that the command line asks for; it sets the keys `overrides`. Raises ConfigError or WeightsError."""
    if not arguments.resume:
        config = load_train_config(arguments.config, overrides)
        if arguments.force and not config.resume:
            print("--force: without effect, as it goes with --resume, and this run begins", file=sys.stderr)
        return config
    if clashes := [f"{name}: --resume brings it along" for name in OF_RESUME if name in overrides]:
        raise ConfigError("--set" if arguments.weights is None else "command line", clashes)
    if arguments.config != config_file(CONFIG):
        text = "--config: without effect, as --resume takes the config of the run; --set changes keys of it"
        print(text, file=sys.stderr)  # the log begins with the run
    wanted = state_path(Path(arguments.resume).expanduser())
    path, checkpoint, _ = find_checkpoint(wanted)
    source = str(wanted if wanted.exists() else path)
    return run_config_from(checkpoint["config"], source, {**overrides, "resume": True, "load_from": source})


def check_launch(*, several: bool) -> None:
    """Raises ConfigError naming the right command where the launcher and the script do not go together."""
    command = "python -m torch.distributed.launch --nproc_per_node=2 --use_env train_multi_gpu.py"
    if several and not distributed.launched():
        raise ConfigError("train_multi_gpu.py", [f"needs a launcher, which starts its processes: {command}"])
    if not several and distributed.number_of("WORLD_SIZE", 1) > 1:
        raise ConfigError("train.py", [f"runs in one process; several are for train_multi_gpu.py: {command}"])


def main(*, several: bool = False) -> int:
    """The command line; `several` for a process that a launcher started. Returns the exit status."""
    start = time.monotonic() - time.process_time()  # to import takes seconds, in which a process does nothing else
    parser = OptionParser(description=__doc__)
    add_words(parser)
    add_config_options(parser, TrainConfig, CONFIG)
    resume = "continue the run in this folder, such as logs/resnet_18/exp0, from its last.pth"
    parser.add_argument("--resume", metavar="RUN", help=resume)
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --resume: go on although batch_size, accumulate_steps or the number of processes is another (the "
        "epoch under way continues after the images it has seen, rounded down to whole steps, so that a few may come "
        "twice), or although seed or the images of train are (the epoch under way starts again)",
    )
    if several:  # torch.distributed.launch adds it without --use_env; the environment says the same
        parser.add_argument("--local-rank", "--local_rank", help=argparse.SUPPRESS)
    arguments = read_options(parser)

    def command() -> None:
        check_launch(several=several)
        overrides = overrides_of(arguments)
        config = read_arguments(arguments, overrides)
        device = distributed.pick_device(config.device, config.gpu_ids)
        group = distributed.process_group(device, backend=config.dist_backend, url=config.dist_url)
        with group if several else nullcontext():
            source = config.load_from if arguments.resume else arguments.config
            run(config, force=arguments.force, start=start, source=source, explicit=overrides)

    return run_command(command)


if __name__ == "__main__":
    leave(main())
