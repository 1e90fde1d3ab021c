"""Where the drawings go: a file, or a folder with the arrangement that the images have."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..distinct_names import DistinctNames, folded
from ..errors import DataError
from ..files import PICTURE_ENDINGS, check_writable, picture_path


def drawing_paths(
    sources: Sequence[str], given: str, output: Path | None, default: Path, *, overwrite: bool
) -> list[Path]:
    """A path for the drawing of each source.

    given: the requested path, a folder that holds the sources or a pattern that they match.
    output: a name ending in .jpg or .png for one image, else a folder; None takes the folder `default`, which holds
        drawings alone and where new ones replace old ones.
    Raises DataError if something in `output` would be replaced without `overwrite`, or one of the sources at all.
    """
    if output is not None and output.suffix.lower() in PICTURE_ENDINGS:
        if len(sources) > 1:
            raise DataError(f"--output: {len(sources)} images need a folder, not the file {str(output)!r}")
        paths = [picture_path(output, default, overwrite=overwrite)]
    else:
        paths = [(output or default) / name for name in _names(sources, given)]
    if output and not overwrite and (there := next((path for path in paths if path.exists()), None)):
        raise DataError(f"--output: {there} exists already; --overwrite replaces it")
    for folder in {path.parent for path in paths}:
        check_writable(folder, "--output")
    originals = {os.path.realpath(source) for source in sources}
    if taken := [path for path in paths if os.path.realpath(path) in originals]:
        raise DataError(f"--output: {taken[0]} is itself to be drawn; expected another folder or file")
    return paths


def _names(sources: Sequence[str], given: str) -> list[str]:
    """The sources relative to the folder that they share, ending in .jpg; beside a.png, a.gif becomes a.gif.jpg, and
    where a file is called so already, a.gif_2.jpg."""
    root = given if os.path.isdir(given) else os.path.commonpath([os.path.dirname(source) or "." for source in sources])
    relative = [os.path.relpath(source, root) for source in sources]
    stems = [os.path.splitext(path)[0] for path in relative]
    count = Counter(map(folded, stems))
    names = DistinctNames()
    return [names.add(stem if count[folded(stem)] == 1 else path, ".jpg") for stem, path in zip(stems, relative)]
