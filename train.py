"""Train an image classifier as train_config.py says, and leave a run folder in logs/<model>/expN."""

import argparse
import os
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from utils import distributed
from utils.cli import add_config_options, run_command
from utils.config import ConfigError, TrainConfig, load_train_config, parse_overrides, train_config_from
from utils.cpu.allocator import keep_freed_memory
from utils.data.loaders import make_loaders
from utils.data.preprocess import Preprocess
from utils.log import RunLog, log
from utils.run import elastic
from utils.run.environment import environment
from utils.run.evaluate_only import validate
from utils.run.folder import RunFolder, open_run_folder
from utils.run.lock import held
from utils.run.resume import Past, find_checkpoint
from utils.run.splits import read_data
from utils.run.state import Standing
from utils.run.trainer import Trainer
from utils.threads import compute_with, threads_in_use
from utils.training.build import make_model, make_recipe, make_state
from utils.training.engine import Progress
from utils.weights.checkpoint import BEST, LAST, PREVIOUS
from utils.weights.load import load_weights

import torch
from torch import nn


def run(config: TrainConfig, *, force: bool = False) -> Path:
    """One run under `config`; inside a process group, one rank's part of it. Returns the run folder.

    force: resume although seed, batches or processes are not what they were.
    """
    torch.backends.cudnn.benchmark = config.use_benchmark
    device = distributed.pick_device(config.device, config.gpu_ids)
    compute_with(config.num_threads)
    with RunLog() as run_log:
        if device.type == "cpu":
            keep_freed_memory()
            threads = threads_in_use(config.num_threads)
            log.info("threads: {threads} ({threads_because}); while they wait, they {threads_wait}".format(**threads))
        if config.only_val:
            return validate(config, device, run_log)
        return train(elastic.resumed(config), device, run_log, force=force or elastic.restarted())


def train(config: TrainConfig, device: torch.device, run_log: RunLog, *, force: bool = False) -> Path:
    """Train from the start or, where config.resume says so, on from the checkpoint config.load_from."""
    splits, preprocess, past = read_data(config), Preprocess.from_config(config), None
    with ExitStack() as locks:
        if config.resume:
            locks.enter_context(held(Path(config.load_from).parent))
            past = Past.read(config, splits, force=force)
            config = replace(config, resume=False, load_from=past.checkpoint["config"]["load_from"])
        train_loader, val_loader = make_loaders(config, splits, preprocess, device)
        model = make_model(config, device, len(splits.classes))
        recipe = make_recipe(config, model, device, preprocess)
        if config.load_from and past is None:
            log.info(str(load_weights(model, config.load_from)))
        if config.sync_bn and distributed.world_size() > 1:
            model = synchronised(model, device)
        steps_per_epoch = -(-len(train_loader) // config.accumulate_steps)
        state = make_state(config, model, recipe, steps_per_epoch)
        standing = past.restore(config, state) if past else Standing(0, [], {}, Progress())
        if past is None:
            folder = open_run_folder(config)
            locks.enter_context(held(folder.path))
        else:
            folder = RunFolder(past.path.parent)
            past.tidy(folder)
        elastic.remember(config, folder.path)
        run_log.write_to(folder.path)
        folder.begin(config, splits, environment(device, config.num_threads), steps_per_epoch)
        tell_start(config, model, device, standing, folder)
        Trainer(config, splits, preprocess, recipe, state, standing, folder, train_loader, val_loader).loop()
    elastic.forget(config)
    tell_end(standing, folder)
    return folder.path


def synchronised(model: nn.Module, device: torch.device) -> nn.Module:
    """The network with BatchNorm statistics over all processes, which torch offers on CUDA alone."""
    if device.type != "cuda":
        log.warning(f"sync_bn: torch synchronises BatchNorm on CUDA only; left as it is on {device}")
        return model
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def tell_start(
    config: TrainConfig, model: nn.Module, device: torch.device, standing: Standing, folder: RunFolder
) -> None:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    processes = f", {distributed.world_size()} processes" if distributed.world_size() > 1 else ""
    log.info(f"{config.model_prefix} {config.model_suffix}: {parameters:,} parameters on {device}{processes}")
    if standing.epoch >= config.epochs:
        log.info(f"{folder.path} has all its {config.epochs} epochs; --set epochs=N would add some")
    elif standing.epoch or standing.progress.images:
        log.info(f"resuming {folder.path} in epoch {standing.epoch + 1} of {config.epochs}")
    else:
        log.info(f"writing to {folder.path}")


def tell_end(standing: Standing, folder: RunFolder) -> None:
    best = standing.best
    told = f"best accuracy {best['accuracy']:.4f} in epoch {best['epoch']}" if best else "without a best.pth"
    log.info(f"done: {told}; see {folder.path}")


def read_arguments(arguments: argparse.Namespace) -> TrainConfig:
    """The config that the command line asks for. Raises ConfigError or WeightsError."""
    overrides = parse_overrides(arguments.set)
    if not arguments.resume:
        return load_train_config(arguments.config, overrides)
    last = Path(arguments.resume) / LAST
    if not any(last.with_name(name).is_file() for name in (LAST, PREVIOUS, BEST)):
        raise ConfigError("--resume", [f"expected a run folder with last.pth in it, got {arguments.resume!r}"])
    path, checkpoint, _ = find_checkpoint(last)
    source = str(last if last.exists() else path)
    return train_config_from({**checkpoint["config"], **overrides, "resume": True, "load_from": source}, source)


def check_launch(*, several: bool) -> None:
    """Raises ConfigError naming the right command where the launcher and the script do not go together."""
    command = "python -m torch.distributed.launch --nproc_per_node=2 --use_env train_multi_gpu.py"
    if several and not distributed.launched():
        raise ConfigError("train_multi_gpu.py", [f"needs a launcher, which starts its processes: {command}"])
    if not several and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ConfigError("train.py", [f"runs in one process; several are for train_multi_gpu.py: {command}"])


def main(*, several: bool = False) -> int:
    """The command line; `several` for a process that a launcher started. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser, TrainConfig, "train_config.py")
    parser.add_argument(
        "--resume", metavar="FOLDER", help="continue the run in this folder, such as logs/resnet_18/exp0"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --resume: go on although batch_size, accumulate_steps or the number of processes is another (the "
        "epoch under way continues after the images it has seen, rounded down to whole steps, so that a few may come "
        "twice), or although seed or the images of train are (the epoch under way starts again)",
    )
    arguments = parser.parse_args()

    def command() -> None:
        check_launch(several=several)
        config = read_arguments(arguments)
        device = distributed.pick_device(config.device, config.gpu_ids)
        group = distributed.process_group(device, backend=config.dist_backend, url=config.dist_url)
        with group if several else nullcontext():
            run(config, force=arguments.force)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
