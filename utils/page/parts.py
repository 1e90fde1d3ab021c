"""Tables, bars and pictures for a page."""

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from PIL import Image

from .markup import Html, both, tag

SIDE = 112  # pixels of a thumbnail; about 4 kB each
QUALITY = 78


class Column(NamedTuple):
    heading: Html
    numeric: bool = True


def columns_of(
    words: Sequence[tuple[str, str]], figures: Sequence[tuple[str, str]], more: Sequence[tuple[str, str]] = ()
) -> list[Column]:
    """Columns of words, of numbers, and of words again, by their headings in English and Chinese."""
    kinds = ((words, False), (figures, True), (more, False))
    return [Column(both(*heading), numeric=numeric) for part, numeric in kinds for heading in part]


class Cell(NamedTuple):
    """What is shown, and what it is sorted by."""

    shown: object
    value: object


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], label: Html, *, sortable: bool = False) -> Html:
    """In a frame that scrolls. label: what it holds, for screen readers. The first column names the row."""
    head = [_heading(column, sortable=sortable) for column in columns]
    body = [tag("tr", *(_cell(*pair) for pair in zip(columns, row))) for row in rows]
    made = tag(
        "table",
        tag("caption", label, class_="hidden"),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return tag("div", made, class_="scroll", tabindex=0)


def _heading(column: Column, *, sortable: bool) -> Html:
    content = tag("button", column.heading, type="button") if sortable else column.heading
    order = "none" if sortable else None
    return tag("th", content, class_="n" if column.numeric else None, scope="col", aria_sort=order)


def _cell(column: Column, value: object) -> Html:
    shown, key = value if isinstance(value, Cell) else (value, None)
    return tag("td", shown, class_="n" if column.numeric else "name", data_value=key)


def bar(pieces: Sequence[tuple[float, int]], length: int = 480) -> Html:
    """Pieces (share of the length, number of its colour) in a row, as svg."""
    drawn, x = [], 0.0
    for share, colour in pieces:
        size = {"x": f"{x:.1f}", "y": 3, "width": f"{share * length:.1f}", "height": 12}
        drawn.append(tag("rect", **size, class_=f"c{colour}"))
        x += share * length
    return tag("svg", *drawn, viewBox=f"0 0 {length} 18", width=length, height=18, aria_hidden="true")


class Thumbnail(NamedTuple):
    uri: str
    tiny: bool  # a small picture, to be enlarged without blur


def thumbnail(picture: Image.Image, side: int = SIDE) -> Thumbnail:
    """Of an RGB picture, which is reduced in place. Small ones stay as they are."""
    tiny = max(picture.size) < side // 2
    picture.thumbnail((side, side))
    data = io.BytesIO()
    picture.save(data, *(["PNG"] if tiny else ["JPEG"]), quality=QUALITY)
    return Thumbnail(
        f"data:image/{'png' if tiny else 'jpeg'};base64,{base64.b64encode(data.getvalue()).decode()}", tiny
    )


def image(found: Thumbnail) -> Html:
    return tag("img", alt="", class_="tiny" if found.tiny else None, src=found.uri)


def bullets(sentences: Iterable[object], kind: str = "look") -> Html:
    return tag("ul", *(tag("li", sentence) for sentence in sentences), class_=kind)


def language_button() -> Html:
    return tag("button", both("中文", "English"), type="button", class_="language")
