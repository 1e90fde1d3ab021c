"""What is known of the networks: parameters, arithmetic, reference, public weights.

`python -m models` prints it. Counts are computed, on the meta device; names and what others published are typed.
"""

from dataclasses import dataclass

from .arithmetic import Arithmetic, count
from .public_weights import WEIGHTS, Weights
from .registry import family_of, list_models, native_img_size
from .text_table import aligned


@dataclass(frozen=True)
class Entry:
    prefix: str
    suffix: str
    parameters: int
    arithmetic: Arithmetic
    img_size: int
    reference: str
    weights: Weights | None


def entry(prefix: str, suffix: str) -> Entry:
    """Raises ValueError for unknown names."""
    side = native_img_size(prefix, suffix)
    cost = count(prefix, suffix, 1000, (side, side))
    weights = WEIGHTS.get(prefix, {}).get(suffix)
    reference = family_of(prefix).reference_of(suffix)
    return Entry(prefix, suffix, cost.parameters, cost.arithmetic, side, reference, weights)


def catalogue() -> list[Entry]:
    return [entry(prefix, suffix) for prefix, suffix in list_models()]


HEADERS = ("prefix", "suffix", "parameters", "multiply-adds", "size", "reference", "public weights", "top-1", "licence")
RIGHT = {"parameters", "multiply-adds", "size", "top-1"}  # columns of numbers


def cells(entry: Entry) -> tuple[str, ...]:
    """One text for each of HEADERS."""
    arithmetic, weights = entry.arithmetic, entry.weights
    amount = f"{arithmetic.multiply_adds / 1e9:.3f} G"
    if arithmetic.additions:
        amount += f" and {arithmetic.additions / 1e9:.2f} G additions"
    public = (weights.name, f"{weights.top1:.1f}", weights.licence) if weights else ("-", "-", "-")
    return (entry.prefix, entry.suffix, f"{entry.parameters:,}", amount, str(entry.img_size), entry.reference, *public)


def as_text(entries: list[Entry]) -> str:
    """Aligned columns."""
    return aligned([HEADERS, *(cells(entry) for entry in entries)], RIGHT)
