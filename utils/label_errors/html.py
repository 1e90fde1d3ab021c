"""The suspects as one html page: each picture with its label and the class that it seems to belong to."""

from collections.abc import Iterator, Sequence

from ..data.images import read_image
from ..errors import ImageError
from ..page.document import document, more, section, small
from ..page.markup import Html, join, tag
from ..page.parts import Column, image, table, thumbnail
from .suspects import SUSPECTS, Suspect, pairs

MOST_PICTURES = 400  # on the page, at about 5 kB each
MOST_PAIRS = 100


def html_page(suspects: Sequence[Suspect], images: int, below: str, max_pixels: int) -> str:
    """The whole page. images: that were looked at.  below: a line on where the predictions come from."""
    share = f"{100 * len(suspects) / images:.1f} %"
    title = f"{len(suspects):,} of {images:,} labels ({share}) look wrong"
    parts = [_pairs(suspects), join(_pictures(suspects, max_pixels))]
    return document(title, join([tag("h1", title), small(below), *parts]), language="en")


def _pairs(suspects: Sequence[Suspect]) -> Html:
    found = pairs(suspects)
    if not found:
        return tag("div", tag("b", "No label looks wrong"), class_="verdict good")
    heading = Html("Labels and suggested classes")
    columns = [Column(Html("label"), False), Column(Html("suggested"), False), Column(Html("pictures"))]
    rows = [(label, suggested, f"{count:,}") for label, suggested, count in found[:MOST_PAIRS]]
    return section("pairs", heading, table(columns, rows, heading), more(len(found), MOST_PAIRS, SUSPECTS))


def _pictures(suspects: Sequence[Suspect], max_pixels: int) -> Iterator[Html]:
    if not suspects:
        return
    shown = tag("div", *(_figure(suspect, max_pixels) for suspect in suspects[:MOST_PICTURES]), class_="pictures")
    meaning = "The label is struck out; behind the arrow is the likeliest class. Below is how likely both are."
    heading = Html("Pictures, the likeliest errors first")
    yield section("pictures", heading, small(meaning), shown, more(len(suspects), MOST_PICTURES, SUSPECTS))


def _figure(suspect: Suspect, max_pixels: int) -> Html:
    try:
        picture = image(thumbnail(read_image(suspect.path, max_pixels)))
    except ImageError as error:
        picture = tag("p", f"cannot be read: {error}", class_="small")
    names = tag("b", tag("del", suspect.label), " → ", suspect.suggested)
    chances = f"{100 * suspect.p_label:.1f} % → {100 * suspect.p_suggested:.1f} %"
    caption = tag("figcaption", names, tag("br"), chances, tag("br"), suspect.path)
    return tag("figure", picture, caption)
