"""Training steps of three sides that take turns on one GPU: a row for each network, batch size and kind."""

import time
from dataclasses import dataclass, field
from typing import Any

from utils.timing import ratios

from benchmarks.gpu_process import Side, SideError, ask_all
from benchmarks.gpu_row import Row
from benchmarks.gpu_tables import Journal, Table, median, note, peak_of, spread, triple
from models.arithmetic import count


@dataclass(frozen=True)
class Scale:
    """How much is measured in a row."""

    rounds: int = 3
    seconds: float = 0.7  # of a turn
    steps: int = 5  # of a turn, at least
    warmup: int = 3  # steps before each turn that do not count
    profiled: int = 5  # steps under the profiler

    @property
    def turn(self) -> tuple[float, int, int]:
        """Arguments of Bench.turn."""
        return self.seconds, self.steps, self.warmup


@dataclass
class Found:
    """What one side showed in a row."""

    turns: list[dict[str, float]] = field(default_factory=list)
    error: str = ""

    @property
    def seconds(self) -> list[float]:
        return [turn["seconds"] for turn in self.turns]

    def profiled(self, key: str) -> float | None:
        return next((turn[key] for turn in self.turns if key in turn), None)

    @property
    def mib(self) -> float | None:
        return max((turn["mib"] for turn in self.turns if "mib" in turn), default=None)


class StepTable:
    """Our steps beside those of the other sides."""

    def __init__(self, sides: list[Side], card: str, scale: Scale, journal: Journal) -> None:
        self.sides, self.peak, self.scale, self.journal = sides, peak_of(card), scale, journal
        names = " / ".join(side.name for side in sides)
        columns = ["network", "batch", "compiled", f"images/s: {names}", "ours / better peer", "MiB reserved"]
        columns += ["idle GPU ms a step", "kernels a step", "% of the card's bf16 peak"]
        self.table = Table(f"Training steps; in each cell {names}", columns)

    def measure(self, row: Row, deadline: float, timeout: float) -> None:
        """One row. deadline: on time.perf_counter(), after which the second round is the last."""
        found = take_turns(self.sides, row, self.scale, deadline, timeout)
        rates = {name: row.batch_size / median(one.seconds) if one.turns else None for name, one in found.items()}
        gains = advantage(found)
        operations = 6 * count(row.prefix, row.suffix, 1000, (row.img_size,) * 2).arithmetic.multiply_adds
        percent = 100 * operations / self.peak if self.peak else None
        shares = {name: percent * rate if percent and rate else None for name, rate in rates.items()}
        cells = [row.network, str(row.batch_size), "yes" if row.compile else "no", triple(rates, ".0f")]
        cells += [spread(gains) if gains else "-", triple({name: one.mib for name, one in found.items()}, ".0f")]
        for key, form in (("idle_ms", ".2f"), ("kernels", ".0f")):
            cells.append(triple({name: one.profiled(key) for name, one in found.items()}, form))
        self.table.add([*cells, triple(shares, ".1f")])
        errors = {name: one.error for name, one in found.items() if one.error}
        for name, error in errors.items():
            note(f"{row.title}, {name}: {error}")
        about = dict(network=row.network, batch_size=row.batch_size, compile=row.compile)
        results = {name: one.turns for name, one in found.items()}
        self.journal.add(
            "steps", **about, images_per_s=rates, ratio=gains, percent=shares, sides=results, errors=errors
        )


def take_turns(sides: list[Side], row: Row, scale: Scale, deadline: float, timeout: float) -> dict[str, Found]:
    """Build everywhere at once, then measure one side at a time, in rounds; whoever fails is left out from then on."""
    found = {side.name: Found() for side in sides}
    for side, answer in zip(sides, ask_all(sides, "build", row, timeout=timeout).values()):
        if isinstance(answer, SideError):
            found[side.name].error = str(answer)
            if "OutOfMemory" in str(answer):  # compiled networks make their first steps at the same time
                found[side.name].error = _error_of(side, "build", row, timeout=timeout)
    order, number, last = list(sides), 0, False
    while not last:
        number += 1
        last = number >= scale.rounds or (number > 1 and time.perf_counter() > deadline)
        for side in order:
            one = found[side.name]
            if not one.error:
                one.error = _error_of(
                    side, "turn", *scale.turn, scale.profiled if last else 0, timeout=timeout, to=one.turns
                )
        order.reverse()
    ask_all(sides, "free", timeout=timeout)
    return found


def _error_of(side: Side, method: str, *arguments: Any, timeout: float, to: list | None = None) -> str:
    """What went wrong, or nothing; the answer is added to the list `to`."""
    try:
        answer = side.call(method, *arguments, timeout=timeout)
    except SideError as error:
        return str(error)
    if to is not None:
        to.append(answer)
    return ""


def advantage(found: dict[str, Found]) -> list[float]:
    """How many times faster ours is than the better of the others, in each round that both have."""
    peers = [one.seconds for name, one in found.items() if name != "ours" and one.turns]
    if not peers or not found["ours"].turns:
        return []
    better, ours = min(peers, key=median), found["ours"].seconds
    rounds = min(len(better), len(ours))
    return ratios(better[:rounds], ours[:rounds])


class AdderTable:
    """AdderNet-50 beside resnet 50, both ours."""

    PATIENCE = 60.0  # seconds for its kernels to be compiled and its first turn

    def __init__(self, ours: Side, scale: Scale, journal: Journal) -> None:
        self.ours, self.scale, self.journal = ours, scale, journal
        columns = ["batch", "AdderNet-50 ms a step", "resnet 50 ms a step", "times as long"]
        columns += ["MiB reserved", "times as much"]
        self.table = Table("AdderNet-50 beside resnet 50", columns)

    def measure(self, batch_size: int, img_size: int, timeout: float) -> None:
        """One row. Raises SideError, also if it takes longer than PATIENCE to start."""
        adder, resnet = (
            self._turns(Row(prefix, "50", batch_size, img_size=img_size), min(timeout, self.PATIENCE))
            for prefix in ("addernet", "resnet")
        )
        times = [1e3 * median(one.seconds) for one in (adder, resnet)]
        cells = [str(batch_size), *(f"{ms:.1f}" for ms in times), f"{times[0] / times[1]:.2f}"]
        memory = {"addernet": adder.mib, "resnet": resnet.mib}
        more = adder.mib / resnet.mib if adder.mib and resnet.mib else None
        self.table.add([*cells, triple(memory, ".0f"), triple({"ratio": more}, ".2f")])
        self.journal.add("addernet", batch_size=batch_size, ms=times, mib=[adder.mib, resnet.mib])

    def _turns(self, row: Row, patience: float) -> Found:
        self.ours.call("build", row, timeout=patience)
        turns = [self.ours.call("turn", *self.scale.turn, timeout=patience) for _ in range(min(2, self.scale.rounds))]
        self.ours.call("free", timeout=patience)
        return Found(turns)
