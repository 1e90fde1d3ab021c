"""The metadata of an exported file: class names and preprocessing, all that is needed besides its graph."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.preprocess import Preprocess
from ..errors import WeightsError
from ..weights.checkpoint_schema import TEMPERATURE, are_classes
from ..weights.preprocess_schema import read_preprocess

FORMAT = "image-classification-export/1"


@dataclass(frozen=True)
class Metadata:
    """Strings by name in the file: `classes` and `preprocess` as JSON in ASCII, so that any language reads them."""

    network: str  # its two words
    source: str  # name of the file that the weights come from; empty if they are freshly initialised
    classes: list[str]
    preprocess: Preprocess
    temperature: float = 1.0  # logits are divided by it before softmax

    def to_strings(self) -> dict[str, str]:
        return {
            "format": FORMAT,
            "network": self.network,
            "source": os.fsencode(self.source).decode("utf-8", "replace"),
            "classes": json.dumps(self.classes),
            "preprocess": json.dumps(self.preprocess.to_plain()),
            "temperature": json.dumps(self.temperature),
        }

    @classmethod
    def from_strings(cls, strings: Mapping[str, str], path: str | Path) -> "Metadata | None":
        """None if `strings` are not those of a file of ours. Raises WeightsError naming `path` if they are damaged."""
        if strings.get("format") != FORMAT:
            return None
        classes = _json(strings, "classes", path)
        if not are_classes(classes):
            raise WeightsError(f"{path}: metadata 'classes': expected a list of different names that folders can have")
        try:
            preprocess = read_preprocess(_json(strings, "preprocess", path))
        except ValueError as error:
            raise WeightsError(f"{path}: metadata 'preprocess': {error}") from None
        return cls(
            strings.get("network", ""), strings.get("source", ""), classes, preprocess, _temperature(strings, path)
        )


def _temperature(strings: Mapping[str, str], path: str | Path) -> float:
    """1 for files that were written before there was one."""
    try:
        return TEMPERATURE.convert(_json({"temperature": "1.0", **strings}, "temperature", path))
    except ValueError:
        raise WeightsError(f"{path}: metadata 'temperature': expected {TEMPERATURE.expects}") from None


def _json(strings: Mapping[str, str], name: str, path: str | Path) -> Any:
    try:
        return json.loads(strings[name])
    except KeyError:
        raise WeightsError(f"{path}: metadata {name!r} is missing") from None
    except (ValueError, RecursionError):
        raise WeightsError(f"{path}: metadata {name!r} is no JSON") from None
