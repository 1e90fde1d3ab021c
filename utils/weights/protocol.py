"""How public weights want pictures, as their sources publish it, and which files are such weights."""

from pathlib import Path

from models.public_weights import WEIGHTS, Weights

from ..data.preprocess import Preprocess


def published(prefix: str, suffix: str, path: Path) -> Weights | None:
    """The public weights of this network that a file is by its name; None for any other file."""
    entry = WEIGHTS.get(prefix, {}).get(suffix)
    return entry if entry is not None and path.name == entry.file_name else None


def tested_with(weights: Weights) -> Preprocess:
    """The published protocol."""
    return Preprocess(
        img_size=(weights.size, weights.size),
        val_resize=(weights.resize, weights.resize),
        mean=weights.mean,
        std=weights.std,
        interpolation=weights.interpolation,
        dct_scaling=True,
        resize_mode="shortest",
    )
