"""What the command line of a training says: keys, and the folder of images without naming its key."""

import argparse
import os
from typing import Any

from ..cli import with_shortcuts, words_of
from ..config import ConfigError, parse_overrides
from ..text import shown
from ..weights.run_folder import means_weights
from .splits import is_there

FOLDER = "the folder with train/<class>/* and val/<class>/*"


def add_words(parser: argparse.ArgumentParser) -> None:
    """[IMG_PATH]"""
    text = f"{FOLDER}: the key img_path"
    parser.add_argument("first", nargs="?", type=os.path.expanduser, metavar="IMG_PATH", help=text)


def overrides_of(given: argparse.Namespace) -> dict[str, Any]:
    """The keys that the command line sets.

    Raises ConfigError where two of its words set one key to different values, or IMG_PATH is no folder.
    """
    words = words_of(given)
    folder = words[0] if words else None
    if folder is not None and not is_there(folder):
        kind = "it is a file" if os.path.exists(folder) else "no such folder"
        hint = f"; --weights {folder} would start from it" if means_weights(folder) else ""
        raise ConfigError("command line", [f"{shown(folder)} was taken for IMG_PATH, {FOLDER}: {kind}{hint}"])
    overrides = with_shortcuts(parse_overrides(given.set), "load_from", {"--weights": given.weights})
    return with_shortcuts(overrides, "img_path", {"IMG_PATH": folder})
