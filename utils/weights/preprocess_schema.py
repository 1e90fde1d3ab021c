"""The preprocessing in a checkpoint or an exported file, which may come from elsewhere: checked wherever it is read."""

from typing import Any

from ..config.rules import LARGEST_SIDE
from ..config.schema import choice, flag, integer, number, sequence
from ..data.preprocess import INTERPOLATION, Preprocess
from ..data.resizing import RESIZE_MODES

SIDES = sequence(integer(1, high=LARGEST_SIDE), length=2)
ENTRIES = {
    "img_size": SIDES,
    "val_resize": SIDES,
    "mean": sequence(number(0, 1), length=3),
    "std": sequence(number(above=0), length=3),
    "interpolation": choice(*INTERPOLATION),
    "dct_scaling": flag(),
    "resize_mode": choice(*RESIZE_MODES),
    "pad_value": integer(0, high=255),
}
OLDER = {"dct_scaling": False, "resize_mode": "squash", "pad_value": 128}  # what the first runs had not


def read_preprocess(plain: Any) -> Preprocess:
    """The inverse of `Preprocess.to_plain`, of older runs too. Raises ValueError naming an entry."""
    given = {**OLDER, **plain} if isinstance(plain, dict) else {}
    values: dict[str, Any] = {}
    for name, kind in ENTRIES.items():
        try:
            values[name] = kind.convert(given[name])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{name}: expected {kind.expects}") from None
    if any(crop > side for crop, side in zip(values["img_size"], values["val_resize"])):
        raise ValueError("img_size is larger than val_resize, which it is cut from")
    return Preprocess(**values)
