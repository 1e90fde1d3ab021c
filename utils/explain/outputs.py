"""Where the drawings go: a file, or a folder with the arrangement that the images have."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError

ENDINGS = (".jpg", ".jpeg", ".png")


def drawing_paths(sources: Sequence[str], given: str, output: Path | None, default: Path) -> list[Path]:
    """A path for the drawing of each source, none of which is overwritten: raises ConfigError if one would be.

    given: what was asked for, the folder that holds the sources or a pattern that they match.
    output: a name ending in .jpg or .png for one image, else a folder; None takes the folder `default`.
    """
    if output is not None and output.suffix.lower() in ENDINGS and not output.is_dir():
        if len(sources) > 1:
            _complain(f"{len(sources)} images need a folder, not the file {str(output)!r}")
        paths = [output]
    else:
        folder = default if output is None else output
        paths = [folder / name for name in _names(sources, given)]
    originals = {os.path.realpath(source) for source in sources}
    if taken := [path for path in paths if os.path.realpath(path) in originals]:
        _complain(f"the drawing would replace the image {str(taken[0])!r}; expected another folder or file")
    return paths


def _names(sources: Sequence[str], given: str) -> list[str]:
    """The sources relative to the folder that they share, ending in .jpg; twins but for their ending keep it inside."""
    root = given if os.path.isdir(given) else os.path.commonpath([os.path.dirname(source) or "." for source in sources])
    relative = [os.path.relpath(source, root) for source in sources]
    stems = [os.path.splitext(path)[0] for path in relative]
    count = Counter(stem.casefold() for stem in stems)
    return [(stem if count[stem.casefold()] == 1 else path) + ".jpg" for stem, path in zip(stems, relative)]


def _complain(message: str) -> None:
    raise ConfigError("command line", [f"--output: {message}"])
