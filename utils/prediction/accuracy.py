"""The class that an image is known to be of."""

import os
from collections.abc import Collection
from pathlib import Path


def true_class(path: str, folder: Path, classes: Collection[str]) -> str | None:
    """The first folder on the way from `folder` to the image that bears the name of a class; None without a way."""
    try:
        way = Path(os.path.relpath(path, folder)).parts[:-1]
    except ValueError:  # on Windows, from one drive to another
        return None
    return next((name for name in way if name in classes), None)
