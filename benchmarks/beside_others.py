"""Images a second of training and prediction beside other programs, ours against the plain loop of the peers.

Beside nothing, a program of numpy (matrix products on all its threads), one that counts in a loop, and both. Each side
has a process of its own; the sides take turns, and so do the loads, which are stopped and continued. A turn is some
seconds of steps after one that does not count. Where cgroups can be made (as root, mostly), also under a quota of one
core's time, against one thread and its loading processes on a core of their own, which is as much time.

python benchmarks/beside_others.py --rounds 3 --seconds 4 --tasks digits mobilenetv2
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import PredictConfig, train_config_from
from utils.cpu.allocator import keep_freed_memory
from utils.data.demo import make_digits
from utils.data.loaders import make_loaders
from utils.data.preprocess import Preprocess
from utils.prediction.classifier import load_classifier
from utils.run.splits import read_data
from utils.threads import prepare
from utils.timing import Spread
from utils.training.build import make_model, make_recipe, make_state
from utils.training.engine import StepHooks, train_one_epoch
from utils.training.state import Progress

import torch
import torchvision
from torch import nn

import train
from benchmarks.common import elsewhere, print_row
from benchmarks.loads import LOADS, on_one_core, programs, quota_of_one_core, variables
from benchmarks.peers import train_references as peer
from benchmarks.photographs import write_photographs

NAME = Path(__file__).name
SETTLE = 1.5  # seconds at the start of a turn that do not count
# what torch and libgomp do by themselves, written out so that our choice keeps away from the peers' side
AS_SHIPPED = {"GOMP_SPINCOUNT": "300000", "OMP_NUM_THREADS": str(torch.get_num_threads())}


@dataclass(frozen=True)
class Task:
    """Training of a network on a folder; with a checkpoint, prediction of its val."""

    names: tuple[str, str]  # of our network
    model: str  # of torchvision's
    data: Path
    size: int
    batch_size: int
    workers: int = 2
    checkpoint: Path | None = None


class Clock:
    """Counts the images of a turn's steps, after some that do not count."""

    def __init__(self, seconds: float) -> None:
        self.start, self.seconds = time.perf_counter(), seconds
        self.begin, self.end, self.images = None, 0.0, 0

    def over(self, images: int) -> bool:
        """Another step is done; whether it was the last of the turn."""
        self.end = time.perf_counter()
        if self.begin is None:
            self.begin = self.end if self.end > self.start + SETTLE else None
            return False
        self.images += images
        return self.end > self.begin + self.seconds

    @property
    def speed(self) -> float:
        """Images a second."""
        return self.images / (self.end - self.begin)


class TurnOver(Exception):
    """Ends an epoch between two steps."""


def ours(task: Task, seconds: float) -> Callable[[], float]:
    """A turn of the loop that train.py runs, loaders and all; of predict.py's where there is a checkpoint."""
    keep_freed_memory()
    if task.checkpoint:
        classifier = load_classifier(PredictConfig(load_from=str(task.checkpoint)), torch.device("cpu"))
        paths = sorted(map(str, task.data.glob("val/*/*")))
        batches = [paths[i : i + task.batch_size] for i in range(0, len(paths), task.batch_size)]
        return partial(steps, seconds, batches, lambda batch: classifier.predict(batch, topk=1), len)
    config = train_config_from(settings(task), NAME)
    device = torch.device("cpu")
    splits = read_data(config)
    preprocess = Preprocess.from_config(config)
    model = make_model(config, device, len(splits.classes))
    recipe = make_recipe(config, model, device, preprocess)
    loader, _ = make_loaders(config, splits, preprocess, device)
    state = make_state(config, model, recipe, steps_per_epoch=1000)

    def turn() -> float:
        clock = Clock(seconds)
        try:
            while True:
                train_one_epoch(state, model, loader, recipe, None, Progress(), hooks=UntilOver(clock))
        except TurnOver:
            return clock.speed

    return turn


class UntilOver(StepHooks):
    """Ends an epoch when the turn is over."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.images = clock, 0

    def after_step(self, settled: Callable[[], Progress], stopping: bool) -> None:
        images = settled().images
        new, self.images = images - self.images, images
        if self.clock.over(new):
            raise TurnOver


def theirs(task: Task, seconds: float) -> Callable[[], float]:
    """A turn of the peer's loop; of one over its loader in eval mode where ours predicts."""
    words = {"data": task.data, "size": task.size, "batch_size": task.batch_size, "workers": task.workers}
    train_loader, val_loader = peer.loaders(SimpleNamespace(**words))
    model = torchvision.models.get_model(task.model, num_classes=len(train_loader.dataset.classes))
    if task.checkpoint:
        model.eval()
        predict = torch.inference_mode()(lambda batch: model(batch[0]).softmax(1).topk(1))
        return partial(steps, seconds, val_loader, predict, lambda batch: len(batch[1]))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, weight_decay=0.05)

    def until_over(clock: Clock) -> Iterator[Any]:
        while True:
            for batch in train_loader:
                yield batch  # and when the next is requested, the step is done
                if clock.over(len(batch[1])):
                    return

    def turn() -> float:
        clock = Clock(seconds)
        peer.train_one_epoch(model, criterion, optimizer, until_over(clock))
        return clock.speed

    return turn


def steps(seconds: float, batches: Any, step: Callable[[Any], Any], count: Callable[[Any], int]) -> float:
    """A turn of `step` over the batches, again and again."""
    clock = Clock(seconds)
    while True:
        for batch in batches:
            step(batch)
            if clock.over(count(batch)):
                return clock.speed


def settings(task: Task) -> dict[str, Any]:
    """Keys of train_config.py with which ours does what the peer does."""
    keys = dict(model_prefix=task.names[0], model_suffix=task.names[1], img_path=str(task.data), augment="simple")
    keys |= dict(img_size=[task.size] * 2, val_resize=[task.size] * 2, horizontal_flip=0.0, device="cpu")
    keys |= dict(batch_size=task.batch_size, num_workers=task.workers, optimizer_type="adamw", init_lr=1.5e-3)
    return keys | dict(weight_decay=0.05, epochs=1, warmup_epochs=0)


def tasks(place: Path) -> dict[str, Task]:
    """Every task by its name, with its data written below `place`."""
    digits, photographs = place / "digits", place / "photographs"
    make_digits(digits)
    for part, count in (("train", 64), ("val", 64)):
        write_photographs(photographs / part, (500, 375), count)
    made = {
        "digits": Task(("resnet", "18"), "resnet18", digits, 32, 64),
        "resnet": Task(("resnet", "18"), "resnet18", photographs, 224, 16),
        "mobilenetv2": Task(("mobilenetv2", "1.0"), "mobilenet_v2", photographs, 224, 16),
    }
    folder = train.run(train_config_from({**settings(made["resnet"]), "log_root": str(place / "logs")}, NAME))
    predicted = Task(("resnet", "18"), "resnet18", photographs, 224, 32, checkpoint=folder / "best.pth")
    return {**made, "predict": predicted}


def measure(task: Task, rounds: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """{(side, load): images a second of each round}."""
    found: dict[tuple[str, str], list[float]] = {}
    with programs() as let_run, ExitStack() as stack:
        sides = {"ours": stack.enter_context(elsewhere(partial(ours, task, seconds), threads=0))}
        with variables(AS_SHIPPED):
            sides["theirs"] = stack.enter_context(elsewhere(partial(theirs, task, seconds), threads=0))
        for _ in range(rounds):
            for load, names in LOADS.items():
                let_run(names)
                for side, turn in sides.items():
                    found.setdefault((side, load), []).append(turn())
    return found


def measure_quota(task: Task, rounds: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """The same under a quota of one core, and held on one core of their own; empty where there are no quotas."""
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        try:
            move = stack.enter_context(quota_of_one_core())
            move(True)
        except OSError as error:
            print(f"no quota: {error}", file=sys.stderr)
            return {}
        try:
            sides = {("ours", "quota"): stack.enter_context(elsewhere(partial(ours, task, seconds), threads=0))}
            with variables(AS_SHIPPED):
                peers = elsewhere(partial(theirs, task, seconds), threads=0)
                sides["theirs", "quota"] = stack.enter_context(peers)
        finally:
            move(False)
        for name, start in (("ours", ours), ("theirs", theirs)):
            with on_one_core():
                sides[name, "alone"] = stack.enter_context(elsewhere(partial(start, task, seconds), threads=0))
        for _ in range(rounds):
            for key, turn in sides.items():
                found.setdefault(key, []).append(turn())
    return found


def rows(name: str, found: dict[tuple[str, str], list[float]], loads: list[str]) -> Iterator[list[str]]:
    """Of each load: what, theirs, its share of alone, ours, its share, how many times theirs ours is."""
    speed = {key: Spread.of(values).median for key, values in found.items()}
    for load in loads:
        share = {side: speed[side, load] / speed[side, "alone"] for side in ("theirs", "ours")}
        cells = [f"{part:.3g}" for side in share for part in (speed[side, load], share[side])]
        yield [f"{name}: {load}", *cells, f"{share['ours'] / share['theirs']:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument("--tasks", nargs="+", default=["digits", "resnet", "mobilenetv2", "predict"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        known = tasks(Path(place))
        print(
            f"torch {torch.__version__}, {prepare().cores} cores, {given.rounds} rounds of {given.seconds:g} s each\n"
        )
        print_row(["task: beside", "theirs", "share of alone", "ours", "share of alone", "share, ours / theirs"])
        print_row(["---"] * 6)
        for name in given.tasks:
            for row in rows(name, measure(known[name], given.rounds, given.seconds), list(LOADS)):
                print_row(row)
            if limited := measure_quota(known[name], given.rounds, given.seconds):
                for row in rows(f"{name}, 1 core's quota, of 1 core alone", limited, ["quota"]):
                    print_row(row)


if __name__ == "__main__":
    main()
