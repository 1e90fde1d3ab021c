"""The table below compared curves: which run is which, how good it was at best, and when."""

from collections.abc import Sequence

from matplotlib.figure import SubFigure
from matplotlib.text import Text

from .fonts import drawable, families, plain

LINE = 0.26  # inches of height
MARGIN = 0.2  # inches to the right of a label
HEADERS = ("", "", "best accuracy", "in epoch", "weights", "F1 (macro)", "val loss", "run, and what sets it apart")
PLACES = (0.3, 0.9, 1.3, 2.6, 3.8, 4.8, 5.9, 6.9)  # inches from the left edge
SIZE = 10  # points


def draw_table(panel: SubFigure, rows: Sequence[Sequence[str]], colours: Sequence[str], styles: Sequence[str]) -> None:
    """A row a run: a sample of its line, its number, then the cells from the third on of HEADERS, the last a label."""
    width, height = panel.bbox.width / panel.figure.dpi, panel.bbox.height / panel.figure.dpi
    axes = panel.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    labels = drawable([row[-1] for row in rows])
    fonts = families(labels)
    for x, header in zip(PLACES, HEADERS):
        axes.text(x, LINE, header, va="center", fontsize=SIZE, color="#555555")
    for number, (row, text, colour, style) in enumerate(zip(rows, labels, colours, styles), 1):
        y = LINE * (number + 1)
        axes.plot((PLACES[0], PLACES[1] - 0.15), (y, y), style, color=colour, linewidth=2.5)
        for x, cell in zip(PLACES[1:], (str(number), *row[:-1])):
            axes.text(x, y, cell, va="center", fontsize=SIZE, family=fonts)
        label = axes.text(PLACES[-1], y, "", va="center", fontsize=SIZE, family=fonts)
        _fit(label, text, (width - PLACES[-1] - MARGIN) * panel.figure.dpi)


def _fit(label: Text, text: str, room: float) -> None:
    """Give `label` the text, of which the end is left out where it is wider than `room`, in pixels."""
    label.set_text(plain(text))
    letters = len(text)
    while (taken := label.get_window_extent().width) > room and letters:
        letters = min(letters - 1, int(letters * room / taken))
        label.set_text(plain(f"{text[:letters].rstrip(' ,')} ..."))
