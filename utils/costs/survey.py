"""Speeds of one network, a family or all: a row each in a table that grows on disk and can be resumed."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from ..cli import as_path
from ..errors import ConfigError, DataError
from ..files import OF_NO_RUN, check_writable, new_file, writing
from ..report.canvas import save
from ..weights.networks import find_network, load_network
from ..weights.options import add_network_options, pick_device, positive, several_networks
from ..weights.spec import NetworkOptions, NetworkSpec
from ..weights.weights_file import WeightsFile
from .picture import speed_against_arithmetic
from .speed import DTYPES, Setting, measure
from .table import (
    COUNTS,
    MEGABYTE,
    Row,
    as_text,
    attempt,
    check_some_succeeded,
    counts_of,
    described,
    output_path,
    picture_beside,
    read_rows,
    write_rows,
)

IDENTITY = ("model_prefix", "model_suffix", "height", "width", "num_classes", "batch_size")  # what a row is of
FIGURES = ("median_ms", "p95_ms", "images_per_second", "peak_memory_mb")
COLUMNS = {  # of the text: header -> column, unit, format
    "batch": ("batch_size", 1, ".0f"),
    "median ms": ("median_ms", 1, ",.2f"),
    "p95 ms": ("p95_ms", 1, ",.2f"),
    "images/s": ("images_per_second", 1, ",.1f"),
    "peak memory MB": ("peak_memory_mb", 1, ",.0f"),
    "multiply-adds G": ("multiply_adds", 1e9, ",.3f"),
}


@dataclass(frozen=True)
class Survey:
    """The options of tools/fps.py or tools/throughput.py."""

    networks: Sequence[NetworkOptions]
    batch_sizes: Sequence[int]
    setting: Setting
    output: Path | None  # table that was asked for; with several networks, a plot goes beside it
    name: str = "speed"  # of a table that nobody has named
    resume: bool = False

    @property
    def several(self) -> bool:
        return len(self.networks) > 1


def add_speed_options(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    add_network_options(parser, several=True)
    add = parser.add_argument_group("measurement").add_argument
    add("--dtype", choices=DTYPES, default="float32", help="of weights and images (default: float32)")
    add(
        "--channels-last",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="memory format, as in training (default: --channels-last)",
    )
    add("--compile", action="store_true", help="with torch.compile, whose own time does not count")
    add("--threads", type=positive, metavar="N", help="of the CPU (default: as many as torch takes)")
    add("--rounds", type=positive, default=rounds, metavar="N", help=f"calls that count (default: {rounds})")
    add("--warmup", type=positive, default=3, metavar="N", help="calls before, which do not (default: 3)")
    add = parser.add_argument_group("output").add_argument
    where = OF_NO_RUN / f"{_stem(parser)}.csv"
    add(
        "--output",
        type=as_path,
        metavar="FILE",
        help=f"with several networks by default {where}, or a number behind it",
    )
    add("--overwrite", action="store_true", help="replace FILE and the plot beside it")
    add("--resume", action="store_true", help="go on with FILE: measure what it lacks or says an error of")


def _stem(parser: argparse.ArgumentParser) -> str:
    return Path(parser.prog).stem


def survey_of(parser: argparse.ArgumentParser, given: argparse.Namespace, batch_sizes: Sequence[int]) -> Survey:
    """Raises ConfigError, WeightsError or DataError if the options do not go together."""
    networks = several_networks(given)
    setting = Setting(
        pick_device(given.device),
        given.dtype,
        given.channels_last,
        given.compile,
        given.threads or torch.get_num_threads(),
        given.warmup,
        given.rounds,
    )
    if given.output is not None:
        output_path(given.output, replace=given.overwrite or given.resume)
    elif given.resume:
        raise ConfigError("command line", ["--resume needs --output"])
    elif len(networks) > 1:
        check_writable(OF_NO_RUN, "--output")
    return Survey(networks, sorted(set(batch_sizes)), setting, given.output, _stem(parser), given.resume)


def run(survey: Survey) -> str:
    """Measure, write table and plot of several networks or where they were asked for, and return it all in words.

    A network that fails becomes a row with an error. Raises DataError if none succeeded.
    """
    if survey.output is not None or not survey.several:
        return as_words(survey, measured(survey, survey.output), survey.output)
    with new_file(OF_NO_RUN, survey.name, ".csv", ".png") as table:
        return as_words(survey, measured(survey, table), table)


def measured(survey: Survey, output: Path | None) -> list[Row]:
    """A row for each network and batch size; the table `output` grows by each network."""
    known: dict[tuple, Row] = {}
    if survey.resume and output is not None and output.exists():
        known = earlier_rows(output, survey.setting.to_plain())
    rows: dict[tuple, Row] = {}
    for options in tqdm(survey.networks, unit="network", disable=None if survey.several else True):
        rows |= measure_network(Subject(options, survey.setting), survey.batch_sizes, known)
        if output is not None:
            with writing(output):
                write_rows(output, together(rows, known))
    check_some_succeeded(list(rows.values()))
    if output is not None and survey.several:
        with writing(picture_beside(output)):
            save(speed_against_arithmetic(together(rows, known)), picture_beside(output))
    return list(rows.values())


def together(rows: dict[tuple, Row], known: dict[tuple, Row]) -> list[Row]:
    """The rows of this survey in its order, then those of earlier ones that it leaves out or has not measured yet."""
    return [*rows.values(), *(row for key, row in known.items() if key not in rows)]


def earlier_rows(table: Path, setting: dict[str, str]) -> dict[tuple, Row]:
    """Those of the file that succeeded. Raises DataError if it was measured under another setting."""
    rows = read_rows(table, [*IDENTITY, *FIGURES, *COUNTS, *setting, "error"])
    for row in rows:
        for name, value in setting.items():
            if row.get(name) != value:
                what = f"{name} {row.get(name)!r}, not {value!r}"
                raise DataError(f"--resume: {table} was measured with {what}; --overwrite starts again")
    return {key_of(row): row for row in rows if not row["error"]}


def key_of(row: Row) -> tuple:
    return tuple(row[name] for name in IDENTITY)


class Subject:
    """A network that is built when it is needed: a table may have all of its figures already."""

    def __init__(self, options: NetworkOptions, setting: Setting) -> None:
        self.options, self.setting = options, setting
        self.file = None if options.weights is None else WeightsFile(options.weights)
        self.spec: NetworkSpec = find_network(options, self.file)

    @cached_property
    def model(self) -> nn.Module:
        return load_network(self.options, self.setting.device, self.file).model

    @cached_property
    def counts(self) -> Row:
        return counts_of(self.spec.cost())

    def blank(self, batch_size: int) -> Row:
        """A row whose figures are missing."""
        row = {**described(self.spec), "batch_size": batch_size, **dict.fromkeys((*FIGURES, *COUNTS))}
        return {**row, **self.setting.to_plain(), "error": None}

    def figures(self, batch_size: int) -> Row:
        """The columns FIGURES and COUNTS."""
        counts = self.counts
        speed = measure(self.model, self.spec.img_size, batch_size, self.setting)
        peak = None if speed.peak_memory is None else speed.peak_memory / MEGABYTE
        values = 1e3 * speed.median, 1e3 * speed.p95, speed.images_per_second, peak
        return {**counts, **dict(zip(FIGURES, values))}


def measure_network(subject: Subject, batch_sizes: Sequence[int], known: dict[tuple, Row]) -> dict[tuple, Row]:
    """A row for each batch size; those that are known are not measured again."""
    rows = {key_of(row): row for row in map(subject.blank, batch_sizes)}
    for key, row in rows.items():
        rows[key] = known[key] if key in known else row | attempt(partial(subject.figures, row["batch_size"]))
    return rows


def as_words(survey: Survey, rows: Sequence[Row], output: Path | None) -> str:
    """What a command prints."""
    setting = survey.setting
    words = ", ".join(f"{name} {value}" for name, value in setting.to_plain().items())
    lines = [as_text(rows, COLUMNS), "", f"{words}; {setting.warmup} calls to warm up, {setting.rounds} that count"]
    lines.append("random images, on the device already: reading and preprocessing do not count")
    if any(row["peak_memory_mb"] is None and not row["error"] for row in rows):
        lines.append("peak memory: not measured, this system does not report it")
    if output is not None:
        lines.append(f"table: {output.resolve()}")
        lines += [f"plot: {picture_beside(output).resolve()}"] if survey.several else []
    return "\n".join(lines)
