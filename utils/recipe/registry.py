"""What rules are made of: their table, and numbers as people write them."""

from collections.abc import Callable
from typing import Any

Found = tuple[Any, str]  # a value, and the reason in words
Rule = Callable[[Any, Any], Found]  # of the Facts, and of a TrainConfig whose keys before this one are found
RULES: dict[str, Rule] = {}  # in this order: each may look at the keys before it


def rule(function: Rule) -> Rule:
    """Enters a function under its name."""
    RULES[function.__name__] = function
    return function


def rounded(value: float, digits: int = 2) -> float:
    """To so many significant digits, as people write rates."""
    return float(f"{value:.{digits}g}")


def clamped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
