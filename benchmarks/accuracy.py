"""Accuracy on val with no key set but the set, the network and the weights, beside the recipes of other projects.

Ours is train.run with every other key 'auto'. The peers (timm, fastai, AutoGluon) are short loops with the published
figures of those projects, in benchmarks/peers/*_recipe.py: same network, weights, size, mean and std. Ours goes first;
each peer then has TIMES as long for as many whole epochs as fit, which a trial epoch that does not count tells. Each
run is a process of its own, with as many threads. best: of the best epoch on val, as every side would pick it (of
ours that of the raw or of the averaged weights); last: of the last epoch (ours: of the averaged weights).

The peers read pictures as torchvision's ImageFolder does, so that transparency is dropped, and mirror them where those
projects do, digits too. --data is what shared/datasets.py made; --output takes a line of JSON for each run as it ends,
and runs that it has are not repeated.

python benchmarks/accuracy.py --data FOLDER --weights FILE --seeds 3 --output FILE
"""

import argparse
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context, set_start_method
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.config import train_config_from
from utils.cpu.waiting import adapted
from utils.data.demo import make_digits
from utils.report.run_tables import read_results
from utils.report.saved_run import read_config
from utils.threads import prepare

import numpy as np
import torch

from benchmarks.common import print_row
from benchmarks.peers.accuracy_common import Job, Recipe, fit
from benchmarks.peers.autogluon_recipe import AutogluonRecipe
from benchmarks.peers.fastai_recipe import FastaiRecipe
from benchmarks.peers.timm_recipe import TimmRecipe

NAME = Path(__file__).name
TIMES = 1.5  # of our time for each peer
PICTURES = ("img_size", "mean", "std", "interpolation")  # keys of our run that the peers take over
PEERS: dict[str, type[Recipe]] = {"timm": TimmRecipe, "fastai": FastaiRecipe, "autogluon": AutogluonRecipe}
Record = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A set, a network, and whether it starts from --weights."""

    folder: str
    network: tuple[str, str]
    pretrained: bool = False

    def __str__(self) -> str:
        return f"{self.folder}, {' '.join(self.network)}, {'with weights' if self.pretrained else 'from scratch'}"


ROWS = {
    "digits": Row("digits", ("resnet", "18")),
    "digits5k": Row("digits5k", ("resnet", "18")),
    "stamps-weights": Row("stamps", ("mobilenetv2", "1.0"), pretrained=True),
    "stamps": Row("stamps", ("resnet", "18")),
}


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_called, function, *arguments).result()


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    set_start_method(None, force=True)  # loading processes start as they do elsewhere, not as this one did
    with adapted(prepare()):
        return function(*arguments)


def ours(settings: dict[str, Any]) -> Record:
    import train  # here, so that the peers' processes load nothing of it

    config = train_config_from(settings, NAME)
    start = time.perf_counter()
    with redirect_stdout(io.StringIO()):
        folder = train.run(config)
    seconds = time.perf_counter() - start
    found = read_config(folder)
    return {**scores(read_results(folder)), "seconds": seconds, **{key: getattr(found, key) for key in PICTURES}}


def scores(results: dict[str, np.ndarray]) -> Record:
    """best, last and epochs from the columns of results.csv."""
    raw = results["accuracy"]
    averaged = results.get("ema_accuracy", raw)
    best = float(np.nanmax([raw, averaged]))
    return {"best": best, "last": float(averaged[-1]), "epochs": len(raw)}


def theirs(side: str, job: Job) -> Record:
    warnings.filterwarnings("ignore", message="Palette images with Transparency")  # convert("RGB") drops it, as said
    return fit(PEERS[side], job)


class Benchmark:
    """The runs that were asked for, each made once: now, or before and found in --output."""

    def __init__(self, given: argparse.Namespace, place: Path) -> None:
        self.given, self.place = given, place
        self.records = read_records(given.output)

    def run(self) -> Iterator[Record]:
        for seed in range(self.given.seeds):
            for row in self.given.rows:
                first = self.record(row, "ours", seed)
                for side in self.given.sides:
                    yield first if side == "ours" else self.record(row, side, seed, first)

    def record(self, row: str, side: str, seed: int, first: Record | None = None) -> Record:
        """first: the record of our run, which gives the peers their time and size."""
        key = {"row": row, "side": side, "seed": seed, "minutes": self.given.minutes}
        for record in self.records:
            if key.items() <= record.items():
                return record
        found = apart(theirs, side, self.job(row, seed, first)) if first else apart(ours, self.settings(row, seed))
        record = {**key, **found, "threads": torch.get_num_threads(), "torch": torch.__version__}
        self.records.append(record)
        if self.given.output:
            with open(self.given.output, "a", encoding="utf-8") as file:
                print(json.dumps(record), file=file)
        print(f"{row}, seed {seed}, {side}: best {percent(record['best'])}, {record['seconds']:.0f} s", flush=True)
        return record

    def settings(self, row: str, seed: int) -> dict[str, Any]:
        """The keys of our run that are not 'auto'."""
        prefix, suffix = ROWS[row].network
        settings = {"img_path": self.data(row), "model_prefix": prefix, "model_suffix": suffix, "seed": seed}
        settings |= {"log_root": str(self.place / "logs")}
        settings |= {"load_from": str(self.given.weights)} if ROWS[row].pretrained else {}
        return {**settings, "max_minutes": self.given.minutes} if self.given.minutes else settings

    def job(self, row: str, seed: int, first: Record) -> Job:
        pictures = {key: first[key] for key in PICTURES}
        weights = str(self.given.weights) if ROWS[row].pretrained else ""
        time_given = TIMES * first["seconds"]
        return Job(self.data(row), ROWS[row].network, **pictures, weights=weights, seed=seed, seconds=time_given)

    def data(self, row: str) -> str:
        folder = ROWS[row].folder
        if folder != "digits":
            return str(self.given.data / folder)
        if not (self.place / folder).exists():
            make_digits(self.place / folder)
        return str(self.place / folder)


def read_records(path: Path | None) -> list[Record]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def print_table(records: Sequence[Record]) -> None:
    """A row for each row and side, over the seeds."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["row"], record["side"]), []).append(record)
    print_row(["row", "side", "best, mean", "min .. max", "last, mean", "epochs", "seconds"])
    print_row(["---"] * 7)
    for (row, side), group in sorted(groups.items(), key=lambda item: list(ROWS).index(item[0][0])):
        best = [record["best"] for record in group]
        last, epochs, seconds = (mean(record[name] for record in group) for name in ("last", "epochs", "seconds"))
        spread = f"{100 * min(best):.1f} .. {percent(max(best))}"
        cells = [percent(mean(best)), spread, percent(last), f"{epochs:.0f}", f"{seconds:.0f}"]
        print_row([str(ROWS[row]), side, *cells])


def missing(name: str, given: argparse.Namespace) -> str:
    """The option that a row lacks, '' if none."""
    row = ROWS[name]
    if row.folder != "digits" and given.data is None:
        return "--data"
    return "--weights" if row.pretrained and given.weights is None else ""


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with digits5k and stamps")
    parser.add_argument("--weights", type=Path, help="of mobilenetv2 1.0")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="all that the other options allow, if left out")
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=("ours", *PEERS),
        default=["ours", *PEERS],
        help="to be reported; ours runs in any case, as it sets the time",
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each: seeds 0, 1, ...")
    parser.add_argument("--minutes", type=float, default=0, help="max_minutes of ours; 0 is no limit")
    parser.add_argument("--output", type=Path, help="file of JSON lines, read and added to")
    given = parser.parse_args(arguments)
    lacking = {name: option for name in given.rows or ROWS if (option := missing(name, given))}
    if given.rows and lacking:
        parser.error("; ".join(f"{name} needs {option}" for name, option in lacking.items()))
    given.rows = given.rows or [name for name in ROWS if name not in lacking]
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    given = read_arguments(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        records = list(Benchmark(given, Path(place)).run())
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads, {given.seeds} seeds\n")
    print_table(records)


if __name__ == "__main__":
    main()
