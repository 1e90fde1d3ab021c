"""What the command line of predict.py says: keys, and words that are weights or images without naming a key."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from ..absent import absent
from ..cli import with_shortcuts, words_of
from ..config import ConfigError, parse_overrides
from ..data.traversal import matches
from ..text import shown
from ..weights.run_folder import ENDINGS, means_weights, newest_run_below

WEIGHTS = f"the folder of a run, or a file ending in {', '.join(ENDINGS)}"
IMAGES = "an image, a folder or a glob"


def add_words(parser: argparse.ArgumentParser) -> None:
    """[WEIGHTS] [IMAGES ...], of which `overrides_of` finds out which is which, and options that stand for keys."""
    add = parser.add_argument
    first = f"{WEIGHTS}, stands for the key load_from; anything else is the first of the IMAGES"
    add("first", nargs="?", type=os.path.expanduser, metavar="WEIGHTS", help=first)
    images = "images, folders (nested ones too) and globs in quotes, in this order: the key predict_img_path"
    add("others", nargs="*", type=os.path.expanduser, metavar="IMAGES", help=images)
    add("--output", metavar="FILE", help="csv or json file of the answers: the key output")
    add("--resume", action="store_true", help="go on where a job with the same output was killed: the key resume")


def overrides_of(given: argparse.Namespace) -> dict[str, Any]:
    """The keys that the command line sets.

    Raises ConfigError where two of its words set one key to different values, or a word names what is not there.
    """
    words = words_of(given)
    weights = words.pop(0) if words and means_weights(words[0]) else None
    if weights is not None and not os.path.exists(weights):
        raise _wrong(weights, f"taken for WEIGHTS, by its ending: {absent(weights)}; expected {WEIGHTS}")
    if words and os.path.isdir(words[0]) and (newest := newest_run_below(words[0])):
        raise _wrong(words[0], f"taken for one of the IMAGES: it is a folder of runs, the newest of which is {newest}")
    _check_images(words)
    images = list(words) if len(words) > 1 else words[0] if words else None
    shortcuts = {"--weights": given.weights, "WEIGHTS": weights}
    overrides = with_shortcuts(parse_overrides(given.set), "load_from", shortcuts)
    overrides = with_shortcuts(overrides, "output", {"--output": given.output})
    overrides = with_shortcuts(overrides, "resume", {"--resume": given.resume or None})
    return with_shortcuts(overrides, "predict_img_path", {"IMAGES": images})


def _check_images(words: Sequence[str]) -> None:
    """Raises ConfigError where one is not there, or is rather weights in the wrong place."""
    for word in words:
        if means_weights(word):
            raise _wrong(word, "taken for one of the IMAGES, by its place; weights come first, and are one file or run")
        if not os.path.exists(word) and next(iter(matches(word)), None) is None:
            problem = f"taken for one of the IMAGES: no such file or folder; expected {IMAGES} (WEIGHTS are {WEIGHTS})"
            raise _wrong(word, problem)


def _wrong(word: str, problem: str) -> ConfigError:
    return ConfigError("command line", [f"{shown(word)} was {problem}"])
