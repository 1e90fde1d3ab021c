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
    """Eager steps first, small batches before large ones; compiled ones get the time that is left."""
    journal, scale = Journal(given.json), Scale(given.rounds, given.seconds, given.steps, given.warmup, given.profiled)
    table = StepTable(list(sides.values()), card, scale, journal)
    if "steps" in given.parts and "off" in given.compile:
        for row in rows(given, compiled=False):
            plan.add("eager", row.title, partial(table.measure, row))
    if "loading" in given.parts:
        fill_loading(plan, sides, scale, journal, folder, given)
    if "addernet" in given.parts:
        adder = AdderTable(sides["ours"], scale, journal)
        sizes = given.adder_batch, given.img_size
        plan.add("addernet", "AdderNet-50", lambda deadline, timeout: adder.measure(*sizes, timeout))
    if "steps" in given.parts and "on" in given.compile:
        for row in rows(given, compiled=True):
            plan.add("compiled", row.title, partial(table.measure, row))


def rows(given: argparse.Namespace, *, compiled: bool) -> list[Row]:
    sizes = sorted(given.batch_sizes)
    pairs = [(network.split(":"), size) for size in sizes for network in given.networks]
    common = dict(compile=compiled, img_size=given.img_size, cuda_graphs=given.cuda_graphs)
    return [Row(*words, size, **common) for words, size in pairs]


def fill_loading(
    plan: Plan, sides: dict[str, Side], scale: Scale, journal: Journal, folder: Path, given: argparse.Namespace
) -> None:
    loaders, epochs, ours = LoaderTable(journal), EpochTable(journal, scale), sides["ours"]
    images = 4 * given.workers * given.loader_batch  # four batches of each worker, of which the first does not count
    loading = partial(Loading, str(folder), images, given.loader_batch, given.workers, given.img_size)

    def add_loader(side: Side, augment: str) -> None:
        title = f"loader of {side.name}, {augment}"
        plan.add("loading", title, lambda deadline, timeout: loaders.measure(side, loading(augment), timeout))

    def add_epoch(row: Row) -> None:
        title = f"epoch of {row.title}"
        plan.add("loading", title, lambda deadline, timeout: epochs.measure(ours, row, loading("tawide"), timeout))

    for network in given.loaded:
        add_epoch(Row(*network.split(":"), given.loader_batch, img_size=given.img_size))
    for name in ("ours", "timm"):
        if name in sides:
            add_loader(sides[name], "simple")
    add_loader(ours, "tawide")


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
