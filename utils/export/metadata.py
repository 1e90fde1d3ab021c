"""The metadata of an exported file: class names and preprocessing, all that is needed besides its graph."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.rules import LARGEST_SIDE
from ..config.schema import choice, flag, integer, number, sequence
from ..data.preprocess import INTERPOLATION, Preprocess
from ..errors import WeightsError
from ..weights.checkpoint_schema import are_classes

FORMAT = "image-classification-export/1"
SIDES = sequence(integer(1, high=LARGEST_SIDE), length=2)
STEPS = {
    "img_size": SIDES,
    "val_resize": SIDES,
    "mean": sequence(number(0, 1), length=3),
    "std": sequence(number(above=0), length=3),
    "interpolation": choice(*INTERPOLATION),
    "dct_scaling": flag(),
}


@dataclass(frozen=True)
class Metadata:
    """Strings by name in the file: `classes` and `preprocess` as JSON in ASCII, so that any language reads them."""

    network: str  # its two words
    source: str  # name of the file that the weights come from; empty if they are freshly initialised
    classes: list[str]
    preprocess: Preprocess

    def to_strings(self) -> dict[str, str]:
        return {
            "format": FORMAT,
            "network": self.network,
            "source": os.fsencode(self.source).decode("utf-8", "replace"),
            "classes": json.dumps(self.classes),
            "preprocess": json.dumps(self.preprocess.to_plain()),
        }

    @classmethod
    def from_strings(cls, strings: Mapping[str, str], path: str | Path) -> "Metadata | None":
        """None if `strings` are not those of a file of ours. Raises WeightsError naming `path` if they are damaged."""
        if strings.get("format") != FORMAT:
            return None
        classes = _json(strings, "classes", path)
        if not are_classes(classes):
            raise WeightsError(f"{path}: metadata 'classes': expected a list of different names that folders can have")
        preprocess = _preprocess(_json(strings, "preprocess", path), path)
        return cls(strings.get("network", ""), strings.get("source", ""), classes, preprocess)


def _json(strings: Mapping[str, str], name: str, path: str | Path) -> Any:
    try:
        return json.loads(strings[name])
    except KeyError:
        raise WeightsError(f"{path}: metadata {name!r} is missing") from None
    except (ValueError, RecursionError):
        raise WeightsError(f"{path}: metadata {name!r} is no JSON") from None


def _preprocess(plain: Any, path: str | Path) -> Preprocess:
    if isinstance(plain, dict):
        plain = {"dct_scaling": False, **plain}
    values = {}
    for name, kind in STEPS.items():
        try:
            values[name] = kind.convert(plain[name])
        except (KeyError, TypeError, ValueError):
            raise WeightsError(f"{path}: metadata 'preprocess', {name}: expected {kind.expects}") from None
    if any(crop > side for crop, side in zip(values["img_size"], values["val_resize"])):
        raise WeightsError(f"{path}: metadata 'preprocess': img_size is larger than val_resize, which it is cut from")
    return Preprocess(**values)
