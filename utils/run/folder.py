"""The folder of one run: what is written when. On ranks other than 0 nothing is."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import distributed, tables
from ..config.keys import TITLE_OF_A_RUN, TrainConfig
from ..config.schema import literal, render
from ..data.source import Splits
from ..errors import ConfigError, UserError
from ..files import atomic_file, remove_drafts, unwritable, write_json, write_text
from ..recipe.row import Row
from ..report import best_of_run, run_tables
from ..report.file_names import CLASS_INDICES, CONFIG, ENVIRONMENT, RECIPE
from ..signals import Stopped
from ..training.metrics import Evaluation, Metrics
from ..weights.best import KINDS, Best
from ..weights.checkpoint import save_checkpoint
from ..weights.run_folder import BEST, LAST, PREVIOUS

REDRAW_SECONDS = 30  # pictures are drawn again at most so often while a run goes on
REDRAW_SHARE = 0.05  # of the time, at most, goes into them: those of many classes take seconds


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path, self.writes = path, distributed.is_main()
        self.next_drawing = time.monotonic() + REDRAW_SECONDS

    def begin(self, config: TrainConfig, splits: Splits, environment: dict[str, Any], steps_per_epoch: int) -> None:
        """The files that do not wait for an epoch. steps_per_epoch: 0 where nothing is trained."""
        if not self.writes:
            return
        self.write_config(config)
        commands = saved_commands(self.path)
        facts = {**environment, "steps_per_epoch": steps_per_epoch}
        if commands:  # a run that is resumed
            facts |= {"command": commands[0], "resumed_by": [*commands[1:], environment["command"]]}
        write_json(self.path / ENVIRONMENT, facts, indent=2)
        names = {str(i): name for i, name in enumerate(splits.classes)}
        write_json(self.path / CLASS_INDICES, names, indent=2)
        train = splits.train.counts() if splits.train else np.zeros(len(splits.classes), dtype=np.int64)
        run_tables.write_counts(self.path, splits.classes, train, splits.val.counts())
        if steps_per_epoch:
            self.draw()  # the schedule and the data can be looked at from the start

    def write_config(self, config: TrainConfig) -> None:
        if self.writes:
            write_text(self.path / CONFIG, render(config, TITLE_OF_A_RUN))

    def record_recipe(self, rows: Sequence[Row]) -> None:
        """recipe.csv: the keys that were 'auto', with what was found and why."""
        if self.writes and rows:
            cells = [(row.key, literal(row.value), row.why) for row in rows]
            tables.write_csv(self.path / RECIPE, ("key", "value", "why"), cells)

    def rewind(self, history: list[dict[str, Any]]) -> None:
        """Bring the tables back to `history`, where the run resumes from: later epochs will come again."""
        if not self.writes:
            return
        run_tables.cut_results_text(self.path, len(history))
        if history:
            run_tables.write_results(self.path, history)
        else:
            (self.path / run_tables.RESULTS).unlink(missing_ok=True)

    @contextlib.contextmanager
    def removed_if_interrupted(self) -> Iterator[None]:
        """For a run that begins here: a folder is not left to a run that is stopped before it has saved anything."""
        try:
            yield
        except (KeyboardInterrupt, Stopped):
            if self.writes and not any((self.path / name).exists() for name in (LAST, PREVIOUS, BEST)):
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def removed_if_failed(self) -> Iterator[None]:
        """`removed_if_interrupted` of a run that trains nothing; nor is a folder left to one whose input is at fault,
        unless it has tables."""
        with self.removed_if_interrupted():
            try:
                yield
            except UserError:
                if self.writes and not (self.path / run_tables.RESULTS).exists():
                    shutil.rmtree(self.path, ignore_errors=True)
                raise

    def clear(self, damaged: Path | None) -> None:
        """Of what a killed run left half written, and of a `damaged` checkpoint, which is renamed."""
        if not self.writes:
            return
        remove_drafts(self.path)
        if damaged and damaged.exists():
            os.replace(damaged, damaged.with_suffix(".damaged"))

    def save(self, name: str, checkpoint: dict[str, Any]) -> None:
        """The last.pth before this one stays as previous.pth."""
        save_checkpoint(self.path / name, checkpoint, keep=self._kept(name))

    def _kept(self, name: str) -> Path | None:
        return self.path / PREVIOUS if name == LAST else None

    def save_bytes(self, name: str, content: bytes) -> None:
        with atomic_file(self.path / name) as file:
            file.write(content)

    def delete(self, names: Sequence[str]) -> int:
        """Files of the folder, as far as they are there; how many bytes that has freed. Raises OSError."""
        found = [path for name in names if (path := self.path / name).exists()]
        freed = sum(path.stat().st_size for path in found)
        for path in found:
            path.unlink()
        return freed

    def record(self, history: list[dict[str, Any]], metrics: Metrics, classes: Sequence[str]) -> None:
        """results.csv and results.txt after an epoch; `metrics` are those of the last row of `history`."""
        if not self.writes:
            return
        run_tables.write_results(self.path, history)
        run_tables.write_results_text(self.path, history[-1]["epoch"], metrics, classes)

    def draw_now_and_then(self) -> None:
        """Unless it was done a short while ago."""
        if time.monotonic() > self.next_drawing:
            self.draw()

    def record_best(self, best: Best, evaluation: Evaluation, metrics: Metrics, classes: Sequence[str]) -> None:
        """best.json, per_class.csv, confusion_matrix.csv and most_confused.csv: of the weights in best.pth."""
        if self.writes:
            self.note_best(best)
            run_tables.write_evaluation(self.path, evaluation.confusion.numpy(), metrics, classes)

    def note_best(self, best: Best | None) -> None:
        """best.json: which epoch best.pth is of, so that nobody reads the weights to know. None: of no known one."""
        if self.writes and best is not None:
            best_of_run.write(self.path, best.epoch, KINDS[best.weights], best.metric)
        elif self.writes:
            best_of_run.path_of(self.path).unlink(missing_ok=True)

    def draw(self) -> None:
        """Every picture that the files allow."""
        if not self.writes:
            return
        from ..report.pictures import draw_run  # matplotlib takes a second to import

        start = time.monotonic()
        draw_run(self.path)
        end = time.monotonic()
        self.next_drawing = end + max(REDRAW_SECONDS, (end - start) / REDRAW_SHARE)


def check_place(config: TrainConfig) -> None:
    """Raises ConfigError if no run folder can be made, before the images are read."""
    if distributed.is_main() and (problem := unwritable(Path(config.log_root) / _model_name(config))):
        raise ConfigError("config", [f"log_root: cannot make a folder for the run {problem}; name another place"])


def _model_name(config: TrainConfig) -> str:
    return f"{config.model_prefix}_{config.model_suffix}"


def saved_commands(folder: Path) -> list[Any]:
    """The commands of a run so far, by its environment.json; none where that is missing or damaged."""
    try:
        saved = json.loads((folder / ENVIRONMENT).read_bytes())
        return [saved["command"], *saved.get("resumed_by", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def open_run_folder(config: TrainConfig) -> RunFolder:
    """The next log_root/<prefix>_<suffix>/<exp_name>N, made by rank 0 and known to all."""
    name = _model_name(config)
    made = next_run_folder(config.log_root, name, config.exp_name) if distributed.is_main() else None
    path = distributed.from_main(made)
    assert path is not None  # rank 0 has made it
    return RunFolder(path)


def next_run_folder(log_root: str | Path, model_name: str, exp_name: str) -> Path:
    """Make and return log_root/model_name/<exp_name>N with the N after the highest; safe against other processes.

    Behind a digit N has a _ before it: the first run of fold1 is fold1_0, since fold10 could be that of fold.
    Raises ConfigError where no folder can be made.
    """
    parent = Path(log_root) / model_name
    stem = f"{exp_name}_" if exp_name[-1:].isdecimal() else exp_name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            number = max((n for n, _ in numbered_folders(parent, stem)), default=-1) + 1
            with contextlib.suppress(FileExistsError):  # another run was quicker
                os.mkdir(parent / f"{stem}{number}")
                return parent / f"{stem}{number}"
    except OSError as error:
        problem = f"log_root: cannot make a folder for the run in {str(parent)!r}: {error.strerror}"
        raise ConfigError("config", [problem]) from None


def numbered_folders(parent: Path, stem: str) -> Iterator[tuple[int, Path]]:
    """(N, folder) for each <stem>N below `parent`."""
    for folder in parent.iterdir():
        if found := re.fullmatch(re.escape(stem) + r"(\d+)", folder.name):
            yield int(found[1]), folder
