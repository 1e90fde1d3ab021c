"""What was found for a key that was 'auto'."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """Of the table of what was found."""

    key: str
    value: Any
    why: str
