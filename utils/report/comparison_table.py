"""The table below compared curves: which run is which, how good it was at best, and when."""

from collections.abc import Sequence

from matplotlib.figure import SubFigure

from .compared_runs import Run
from .fonts import families, plain

LINE = 0.26  # inches of height
MOST_LETTERS = 125  # of a label
HEADERS = ("", "", "best accuracy", "in epoch", "weights", "F1 (macro)", "val loss", "run, and what sets it apart")
PLACES = (0.3, 0.9, 1.3, 2.6, 3.8, 4.8, 5.9, 6.9)  # inches from the left edge
SIZE = 10  # points


def draw_table(panel: SubFigure, runs: Sequence[Run], colours: Sequence[str]) -> None:
    """A row a run, in its colour and under its number."""
    width, height = panel.bbox.width / panel.figure.dpi, panel.bbox.height / panel.figure.dpi
    axes = panel.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    fonts = families([run.label for run in runs])
    for x, header in zip(PLACES, HEADERS):
        axes.text(x, LINE, header, va="center", fontsize=SIZE, color="#555555")
    for number, (run, colour) in enumerate(zip(runs, colours), 1):
        y = LINE * (number + 1)
        style = "-" if run.trained or run.best is None else "-."
        axes.plot((PLACES[0], PLACES[1] - 0.15), (y, y), style, color=colour, linewidth=2.5)
        for x, cell in zip(PLACES[1:], (str(number), *_cells(run), plain(run.label, MOST_LETTERS))):
            axes.text(x, y, cell, va="center", fontsize=SIZE, family=fonts)


def _cells(run: Run) -> tuple[str, str, str, str, str]:
    if run.best is None:
        return "no epoch finished yet", "", "", "", ""
    epochs = run.results["epoch"]
    accuracy, f1, loss = (run.figure_of_best(name) for name in ("accuracy", "f1", "val_loss"))
    when = f"{epochs[run.best[0]]:.0f} of {epochs[-1]:.0f}" if run.trained else "only validated"
    weights = "averaged" if run.averaged else "raw" if run.trained else ""
    return f"{accuracy:.2%}", when, weights, f"{f1:.2%}", f"{loss:.4f}"
