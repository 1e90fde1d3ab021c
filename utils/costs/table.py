"""Tables of what networks cost, a row a network or layer: in a file, on a terminal, and read again to resume."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.arithmetic import Cost
from models.text_table import aligned

from ..errors import DataError, UserError
from ..files import check_writable, write_json
from ..tables import read_csv, write_csv
from ..weights.spec import NetworkSpec

Row = dict[str, Any]  # column -> value; None: not known, as the figures of a network that failed
FORMATS = (".csv", ".json")
COUNTS = ("parameters", "multiply_adds", "additions", "activations")
INTEGERS = ("height", "width", "num_classes", "batch_size", *COUNTS)
NUMBERS = ("median_ms", "p95_ms", "images_per_second", "peak_memory_mb")
READERS: dict[str, Callable[[str], Any]] = {**dict.fromkeys(INTEGERS, int), **dict.fromkeys(NUMBERS, float)}
MEGABYTE = 2**20


def output_path(requested: Path, *, replace: bool) -> Path:
    """`requested`. Raises DataError if it is no name for a table, has no folder, or exists and may not be replaced."""
    if requested.suffix.lower() not in FORMATS:
        raise DataError(f"--output: expected a file ending in one of {', '.join(FORMATS)}, got {str(requested)!r}")
    if not requested.parent.is_dir():
        raise DataError(f"--output: there is no folder {str(requested.parent)!r}")
    for path in (requested, picture_beside(requested)):
        if path.is_dir() or (path.exists() and not replace):
            raise DataError(f"--output: {path} exists already" + ("" if path.is_dir() else "; --overwrite replaces it"))
    check_writable(requested.parent, "--output")
    return requested


def picture_beside(path: Path) -> Path:
    """Where the plot of a table goes."""
    return path.with_suffix(".png")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """As .csv, a gap where a value is None, or .json, a list of objects. All rows have the same columns."""
    if path.suffix.lower() == ".json":
        write_json(path, list(rows))
    else:
        write_csv(path, list(rows[0]), [["" if value is None else value for value in row.values()] for row in rows])


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """What `write_rows` wrote, with these columns at least. Raises DataError if it is something else."""
    try:
        if path.suffix.lower() == ".json":
            rows = [dict(row) for row in json.loads(path.read_text(encoding="utf-8-sig"))]
        else:
            rows = [{name: _value(name, cell) for name, cell in row.items()} for row in read_csv(path)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {type(error).__name__}: {error}") from None
    if not rows or any(set(columns) - set(row) for row in rows):
        raise DataError(f"{path}: expected a table of this tool, with the columns {', '.join(columns)}")
    return rows


def _value(column: str, cell: str) -> Any:
    return READERS.get(column, str)(cell) if cell else None


def as_text(rows: Sequence[Row], columns: Mapping[str, tuple[str, float, str]]) -> str:
    """Network, size of images, then `columns`, aligned; errors last. Columns without a figure are left out.

    columns: header -> (column of the rows, what its numbers are divided by, how they are formatted).
    """
    cells = {"network": [name_of(row) for row in rows], "size": [size_of(row) for row in rows]}
    for header, (name, unit, form) in columns.items():
        cells[header] = ["" if row[name] is None else f"{row[name] / unit:{form}}" for row in rows]
    cells["error"] = [row["error"] or "" for row in rows]
    shown = {header: texts for header, texts in cells.items() if any(texts)}
    return aligned([list(shown), *zip(*shown.values())], {"size", *columns})


def name_of(row: Row) -> str:
    return f"{row['model_prefix']} {row['model_suffix']}"


def size_of(row: Row) -> str:
    return f"{row['height']}x{row['width']}"


def described(spec: NetworkSpec) -> Row:
    """The columns that say which network and which images."""
    height, width = spec.img_size
    names = {"model_prefix": spec.prefix, "model_suffix": spec.suffix}
    return {**names, "height": height, "width": width, "num_classes": spec.num_classes}


def counts_of(cost: Cost) -> Row:
    """The columns COUNTS."""
    return {"parameters": cost.parameters, **asdict(cost.arithmetic)}


def attempt(figures: Callable[[], Row]) -> Row:
    """What `figures` gives, or the column `error` with why it failed: one network of many must not end all."""
    try:
        return figures()
    except Exception as error:
        return {"error": in_words(error)}


def check_some_succeeded(rows: Sequence[Row]) -> None:
    """Raises DataError with the first of the errors if every row has one."""
    if all(row["error"] for row in rows):
        raise DataError(f"{name_of(rows[0])}: {rows[0]['error']}")


def in_words(error: Exception) -> str:
    """Why a network failed, in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    if isinstance(error, MemoryError) or "can't allocate memory" in text:  # CUDA says it by itself
        return f"out of memory: {text}"
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
