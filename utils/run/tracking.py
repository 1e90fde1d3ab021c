"""The observer that passes the figures of a run on to the trackers which the key `loggers` names."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import distributed
from ..config.keys import TrainConfig
from ..config.read import to_plain
from ..errors import ConfigError
from ..trackers.memory import Memory
from ..trackers.registry import TRACKERS, absent
from ..trackers.tracked import TrackedRun
from ..trackers.worker import Conclusion, Job, Worker, finish
from .observers import Epoch, Observer

FINISH_SECONDS = 60.0  # that the trackers have at the end of a run, all together
STOP_SECONDS = 10.0  # the same where a run is stopped: whoever sent the signal may not wait for long


class Trackers:
    """Puts every epoch into the queues of the workers, which wait for nothing."""

    every = 0

    def __init__(self, workers: Sequence[Worker], history: list[dict[str, Any]]) -> None:
        """history: of a run that is resumed."""
        self.workers, self.rows = workers, list(history)
        for worker in workers:
            worker.put(Job(self.rows))
            worker.start()

    def on_step(self, step: int, figures: dict[str, float]) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None:
        self.rows = list(epoch.history)
        for worker in self.workers:
            worker.put(Job(self.rows))


@contextmanager
def tracked(config: TrainConfig, folder: Path, history: list[dict[str, Any]]) -> Iterator[list[Observer]]:
    """The observers of a run that is trained within; at its end they get what the folder holds then.

    On ranks other than 0 there are none.
    """
    if not config.loggers or not distributed.is_main():
        yield []
        return
    name = config.run_name or f"{folder.parent.name}/{folder.name}"
    run = TrackedRun(folder, config.project, name, to_plain(config))
    memory = Memory(folder)
    workers = [Worker(each, TRACKERS[each], run, memory) for each in dict.fromkeys(config.loggers)]
    observer = Trackers(workers, history)
    try:
        yield [observer]
    except BaseException:
        finish(workers, Job(observer.rows, is_last=True), STOP_SECONDS)
        raise
    found = Conclusion(final_figures(folder), sorted(folder.glob("*.jpg")))
    finish(workers, Job(observer.rows, is_last=True, conclusion=found), FINISH_SECONDS)


def final_figures(folder: Path) -> dict[str, float]:
    """Of best.pth, by split: val/accuracy and so on, test/accuracy where there is such a split."""
    found = {}
    for split in ("val", "test"):
        if (path := folder / f"{split}_results.json").is_file():
            for name, value in json.loads(path.read_bytes()).items():
                if type(value) in (int, float):
                    found[f"{split}/{name}"] = float(value)
    return found


def check_trackers(config: TrainConfig) -> None:
    """Raises ConfigError on all ranks where rank 0, which alone uses them, lacks the package of one."""
    names = distributed.from_main(absent(config.loggers) if distributed.is_main() else [])
    if names:
        raise ConfigError("config", [f"loggers: {name!r} needs: python -m pip install {name}" for name in names])
