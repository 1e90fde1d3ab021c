"""The pictures that one of two runs has right and the other has not."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..errors import ImageError
from ..page.document import section, small
from ..page.markup import Html, both, join, tag
from ..page.parts import Thumbnail, image, thumbnail
from ..report.saved_answers import SavedAnswers
from ..threads import reading_threads
from .gallery import below, common_root
from .look import Limits, picture_of

LISTED = 24  # pictures of each of the two lists


class Side(NamedTuple):
    """What a run says of the pictures of both."""

    name: str
    answers: SavedAnswers
    places: np.ndarray  # (N,) in its answers

    def right(self) -> np.ndarray:
        return self.answers.labels[self.places] == self.answers.predicted[self.places]

    def sure(self) -> np.ndarray:
        """(N,) how sure it is of the class it names; 0 where the table does not say."""
        return np.nan_to_num(self.answers.p_predicted[self.places])

    def words(self, i: int) -> str:
        place = self.places[i]
        name = self.answers.classes[self.answers.predicted[place]]
        sure = self.answers.p_predicted[place]
        return name if sure != sure else f"{name} ({100 * sure:.0f} %)"


def disagreements(runs: Sequence[tuple[str, SavedAnswers]], limits: Limits) -> tuple[Html, list[str]]:
    """Of the first two of the runs, which are ranked, and what could not be read, in words."""
    if len(runs) < 2:
        return Html(""), []
    (name, answers), (other_name, other_answers) = runs[:2]
    place = {os.path.abspath(path): i for i, path in enumerate(other_answers.paths)}
    mine = map(os.path.abspath, answers.paths)
    shared = [(i, place[path]) for i, path in enumerate(mine) if path in place]
    places = np.array(shared, dtype=np.int64).reshape(-1, 2)
    sides = Side(name, answers, places[:, 0]), Side(other_name, other_answers, places[:, 1])
    notes: list[str] = []
    parts = [_list(*pair, limits, notes, f"only-{k}") for k, pair in enumerate((sides, sides[::-1]))]
    return join(parts), notes


def _list(better: Side, worse: Side, limits: Limits, notes: list[str], identifier: str) -> Html:
    """The pictures that `better` alone has right, the surest mistake of the other first."""
    found = np.flatnonzero(better.right() & ~worse.right())
    chosen = found[np.argsort(-worse.sure()[found], kind="stable")][: min(LISTED, limits.pictures)].tolist()
    if not chosen:
        return Html("")
    heading = both(join(["Right by ", better.name, " alone"]), join(["仅 ", better.name, " 判断正确"]))
    left = both(f"{len(chosen)} of {len(found):,}", f"共 {len(found):,} 张，此处 {len(chosen)} 张")
    root = common_root(better.answers.paths)
    with ThreadPoolExecutor(reading_threads()) as pool:
        seen = list(pool.map(lambda i: _read(better.answers.paths[better.places[i]], limits.max_pixels), chosen))
    bad = [(better.answers.paths[better.places[i]], each) for i, each in zip(chosen, seen)]
    notes += [f"{path}: {error}" for path, error in bad if isinstance(error, ImageError)][:1]
    figures = [_figure(better, worse, i, each, root) for i, each in zip(chosen, seen)]
    return section(identifier, heading, small(left), tag("div", *figures, class_="pictures"))


def _read(path: str, max_pixels: int) -> Thumbnail | ImageError:
    try:
        return thumbnail(picture_of(path, max_pixels))
    except ImageError as error:
        return error


def _figure(better: Side, worse: Side, i: int, seen: Thumbnail | ImageError, root: str) -> Html:
    place = better.places[i]
    true = better.answers.classes[better.answers.labels[place]]
    shown = image(seen) if isinstance(seen, Thumbnail) else both("cannot be read", "无法读取")
    said = [
        tag("div", tag("b", true), " "),
        tag("div", better.name, ": ", better.words(i)),
        tag("div", worse.name, ": ", worse.words(i)),
        tag("div", below(better.answers.paths[place], root)),
    ]
    return tag("figure", shown, tag("figcaption", *said))
