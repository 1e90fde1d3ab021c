"""The rows of gpu.py in the order in which they matter, its head, and the table of the host's time."""

import argparse
import contextlib
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.gpu_loading import EpochTable, LoaderTable, write_photographs
from benchmarks.gpu_plan import Plan
from benchmarks.gpu_process import Side
from benchmarks.gpu_row import Loading, Row
from benchmarks.gpu_steps import AdderTable, Scale, StepTable
from benchmarks.gpu_tables import Journal, Table, driver, note

__all__ = ["fill", "note", "print_host", "print_versions", "write_photographs"]

HOST_STEPS, HOST_TIMEOUT = 30, 180.0  # steps whose host times are added up; seconds for all of it


def print_versions(side: Side) -> str:
    """Print what is measured with; returns the name of the card."""
    found = side.call("versions", timeout=60.0)
    if found["card"] != "CPU":
        found["driver"] = driver()
    with contextlib.suppress(PackageNotFoundError):
        found["timm"] = version("timm")
    print(", ".join(word if name == "card" else f"{name} {word}" for name, word in found.items()), flush=True)
    return found["card"]


def fill(plan: Plan, sides: dict[str, Side], card: str, folder: Path, given: argparse.Namespace) -> None:
    """Eager steps of small batches first, then whole epochs; compiled steps get the time that is left."""
    journal = Journal(given.json)
    scale = Scale(given.rounds, given.seconds, given.steps, given.warmup, given.profiled)
    table = StepTable(list(sides.values()), card, scale, journal)

    def add_steps(kind: str, sizes: list[int]) -> None:
        compiled = kind == "compiled"
        if "steps" in given.parts and ("on" if compiled else "off") in given.compile:
            for row in rows(given, sizes, compiled=compiled):
                plan.add(kind, row.title, partial(table.measure, row))

    small, *large = sorted(given.batch_sizes)
    add_steps("eager", [small])
    if "loading" in given.parts:
        add_epochs(plan, sides["ours"], EpochTable(journal, scale), folder, given)
    add_steps("eager", large)
    if "loading" in given.parts:
        add_loaders(plan, sides, LoaderTable(journal), folder, given)
    if "addernet" in given.parts:
        adder = AdderTable(sides["ours"], scale, journal)
        size = given.adder_batch, given.img_size
        plan.add("addernet", "AdderNet-50", lambda deadline, timeout: adder.measure(*size, timeout))
    add_steps("compiled", [small, *large])


def rows(given: argparse.Namespace, sizes: list[int], *, compiled: bool) -> list[Row]:
    pairs = [(network.split(":"), size) for size in sizes for network in given.networks]
    common = dict(compile=compiled, img_size=given.img_size, cuda_graphs=given.cuda_graphs)
    return [Row(*words, size, **common) for words, size in pairs]


def loading_of(folder: Path, given: argparse.Namespace, augment: str) -> Loading:
    images = 4 * given.workers * given.loader_batch  # four batches of each worker, of which the first does not count
    return Loading(str(folder), images, given.loader_batch, given.workers, given.img_size, augment)


def add_epochs(plan: Plan, ours: Side, table: EpochTable, folder: Path, given: argparse.Namespace) -> None:
    loading = loading_of(folder, given, "tawide")
    for network in given.loaded:
        row = Row(*network.split(":"), given.loader_batch, img_size=given.img_size)
        title = f"epoch of {row.title}"
        plan.add("loading", title, lambda deadline, timeout, row=row: table.measure(ours, row, loading, timeout))


def add_loaders(
    plan: Plan, sides: dict[str, Side], table: LoaderTable, folder: Path, given: argparse.Namespace
) -> None:
    for name, augment in (("ours", "tawide"), ("ours", "simple"), ("timm", "simple")):
        if name in sides:
            measure = partial(_measure_loader, table, sides[name], loading_of(folder, given, augment))
            plan.add("loading", f"loader of {name}, {augment}", measure)


def _measure_loader(table: LoaderTable, side: Side, loading: Loading, deadline: float, timeout: float) -> None:
    table.measure(side, loading, timeout)


def print_host(ours: Side, network: str, given: argparse.Namespace) -> None:
    """Two tables: phases of a step with an average of the weights, and the operators that take the host longest."""
    for size in sorted(given.batch_sizes):
        row = Row(*network.split(":"), size, img_size=given.img_size, ema=True)
        steps = 2 if given.dry_run else HOST_STEPS
        found = ours.call("host", row, steps, timeout=HOST_TIMEOUT)
        title = f"{row.title}: {found['step_ms']:.2f} ms a step, of which the host is busy or waits for the device"
        phases = Table(f"{title} {found['host_ms']:.2f} ms", ["phase", "host ms a step", "launches a step"])
        for phase, (milliseconds, launches) in found["phases"].items():
            phases.add([phase, f"{milliseconds:.3f}", f"{launches:.0f}"])
        columns = ["operator", "own host ms a step", "calls a step"]
        operators = Table("Under the profiler, which slows them down", columns)
        for name, milliseconds, calls in found["operators"]:
            operators.add([name, f"{milliseconds:.3f}", f"{calls:.0f}"])
        Journal(given.json).add("host", network=row.network, batch_size=size, **found)
