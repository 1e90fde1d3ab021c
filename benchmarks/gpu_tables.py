"""How a comparison on a GPU is reported: tables that grow by a row at a time, a file of records, and the card."""

import json
import re
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from utils.timing import Spread

from benchmarks.common import print_row

PEAKS = {"H100": 989, "H200": 989, "A100": 312, "L4": 121, "4090": 165}  # dense bfloat16, TFLOP/s, by NVIDIA's sheets


class Table:
    """Markdown; its head is printed again where another table came between."""

    last: ClassVar["Table | None"] = None

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title, self.columns = title, columns

    def add(self, cells: Sequence[str]) -> None:
        if Table.last is not self:
            print(f"\n{self.title}\n", flush=True)
            print_row(self.columns)
            print_row(["---"] * len(self.columns))
            Table.last = self
        print_row(cells)


def note(text: str) -> None:
    """A line between tables."""
    print(f"\n{text}", flush=True)
    Table.last = None


class Journal:
    """A file to which each record is appended as a line of JSON, as soon as it is known."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def add(self, part: str, **record: Any) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"part": part, **record}) + "\n")


def peak_of(card: str) -> float | None:
    """Dense bfloat16 operations a second of a card, by its name; None if it is not listed."""
    words = re.split(r"[ -]", card)
    return next((1e12 * tera for name, tera in PEAKS.items() if name in words), None)


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found[0] if found else "unknown"


def triple(values: dict[str, float | None], form: str) -> str:
    """One cell: a number of each side, '-' where there is none."""
    return " / ".join("-" if value is None else format(value, form) for value in values.values())


def spread(values: Sequence[float]) -> str:
    """Median [10th .. 90th percentile]."""
    found = Spread.of(values)
    return f"{found.median:.3f} [{found.low:.3f} .. {found.high:.3f}]"


def median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
