"""Contact sheets: pictures in rows and columns, each with its label below."""

import textwrap
from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..report.canvas import DPI, canvas
from ..report.fonts import class_labels, drawable, families, plain
from ..text import display_width
from .augmented import Picture, Section

SIDE = 224  # pixels along the longer side of a picture: small ones are enlarged by whole factors
GAP, LINE = 14, 17  # pixels between pictures, and for a line of text
LETTER = 8  # pixels of width


def contact_sheet(title: str, sections: Sequence[Section], classes: Sequence[str], size: tuple[int, int]) -> Figure:
    """All sections below each other. size: (height, width) of the pictures but for those that are shown as they are."""
    height, width = _cell(size)
    across = max(len(row) for section in sections for row in section.rows) * (width + GAP) + GAP
    lines = drawable(textwrap.wrap(title, across // LETTER))
    tops = list(accumulate((_height(section, height) for section in sections), initial=GAP + len(lines) * LINE))
    # One unit of the axes is one pixel of the file.
    figure = canvas(across / DPI, tops[-1] / DPI, arranged=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, across), ylim=(tops[-1], 0), autoscale_on=False)
    axes.axis("off")
    labels, fonts = class_labels(classes)
    axes.text(GAP, GAP, "\n".join(map(plain, lines)), va="top", fontsize=9, family=families(lines))
    for section, top in zip(sections, tops):
        _draw_section(axes, section, top, (height, width), (labels, fonts))
    return figure


def _cell(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels of what is drawn for pictures of `size`."""
    longer = max(size)
    if longer > SIDE:
        return round(size[0] * SIDE / longer), round(size[1] * SIDE / longer)
    return size[0] * (SIDE // longer), size[1] * (SIDE // longer)


def _caption_lines(section: Section) -> int:
    return max(len(picture.shares) for row in section.rows for picture in row)


def _height(section: Section, height: int) -> int:
    """Pixels from the top of a section to that of the next."""
    heading = LINE * (2 if section.headings else 1)
    return GAP + heading + len(section.rows) * (height + LINE * _caption_lines(section) + GAP)


def _draw_section(
    axes: Axes, section: Section, top: int, cell: tuple[int, int], naming: tuple[list[str], list[str]]
) -> None:
    """naming: the labels of all classes, and font families that have them."""
    height, width = cell
    axes.text(GAP, top + GAP, section.title, va="top", fontsize=9, weight="bold")
    y = top + GAP + LINE + 4
    for column, heading in enumerate(section.headings):
        axes.text(GAP + column * (width + GAP), y, heading, va="top", fontsize=8, color="#555555")
    y += LINE if section.headings else 0
    for row in section.rows:
        for column, picture in enumerate(row):
            x = GAP + column * (width + GAP)
            _draw_picture(axes, picture, (x, y), cell)
            caption = _caption(picture.shares, naming[0], width // LETTER)
            axes.text(x, y + height + 3, caption, va="top", fontsize=8, family=naming[1])
        y += height + LINE * _caption_lines(section) + GAP


def _draw_picture(axes: Axes, picture: Picture, corner: tuple[int, int], cell: tuple[int, int]) -> None:
    """As large as the cell allows, in its middle; single pixels stay visible where it is enlarged."""
    height, width = picture.pixels.shape[:2]
    scale = min(cell[0] / height, cell[1] / width)
    x, y = corner[0] + (cell[1] - scale * width) / 2, corner[1] + (cell[0] - scale * height) / 2
    extent = (x, x + scale * width, y + scale * height, y)
    axes.imshow(picture.pixels, extent=extent, aspect="auto", interpolation="nearest" if scale >= 1 else None)


def _caption(shares: dict[int, float], labels: Sequence[str], letters: int) -> str:
    """A line for each class of a label, the greatest share first."""
    if len(shares) == 1:
        return _cut(labels[next(iter(shares))], letters)
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return "\n".join(f"{_cut(labels[index], letters - 5)} {share:.0%}" for index, share in ranked)


def _cut(text: str, letters: int) -> str:
    """The beginning of a text that is too wide."""
    if display_width(text) <= letters:
        return text
    while text and display_width(text) > letters - 1:
        text = text[:-1]
    return f"{text}…"
