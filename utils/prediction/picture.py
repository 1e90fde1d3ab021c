"""The picture of one prediction."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..data.images import MAX_PIXELS, read_image
from ..report.canvas import canvas, save
from ..report.fonts import class_labels, drawable, families, plain
from .predictions import Prediction

BAR, BAR_OF_TRUTH = "#88b0d4", "#1f4e79"  # light and dark in grey too
MOST_LETTERS = 80  # of the name of the image


def draw_prediction(
    path: Path,
    prediction: Prediction,
    classes: Sequence[str],
    true: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Write the picture. true: the one of `classes`, all that there are, that the folder of the image names."""
    save(prediction_figure(prediction, classes, true, max_pixels), path)


def prediction_figure(
    prediction: Prediction, classes: Sequence[str], true: str | None, max_pixels: int = MAX_PIXELS
) -> Figure:
    """The image under its name and, where it is known, its true class; beside it a bar for each ranked class."""
    names, probabilities = zip(*prediction.ranked)
    written, fonts = class_labels(classes)  # of all: where no font has their letters, they are indices
    label = dict(zip(classes, written))
    figure = canvas(9, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    image = read_image(prediction.path, max_pixels)
    left.imshow(image, interpolation="nearest" if max(image.size) < 100 else "antialiased")
    left.axis("off")
    [shown] = drawable([plain(Path(prediction.path).name, MOST_LETTERS)])
    figure.suptitle(shown, fontsize=12, weight="bold", family=families([shown]))
    if true is not None:
        left.set_title(f"true class: {label[true]}" + (" (right)" if true == names[0] else ""), family=fonts)
    _bars(right, [label[name] for name in names], probabilities, [name == true for name in names], fonts)
    return figure


def _bars(axes: Axes, labels: list[str], shares: tuple[float, ...], is_true: list[bool], fonts: list[str]) -> None:
    bars = axes.barh(range(len(labels)), shares, color=[BAR_OF_TRUTH if true else BAR for true in is_true])
    texts = [f"{share:.1%}" + ("  true class" if true else "") for share, true in zip(shares, is_true)]
    axes.bar_label(bars, texts, padding=3)
    axes.set(xlim=(0, 1.45 if any(is_true) else 1.15), xticks=(0, 0.25, 0.5, 0.75, 1), title="probability")
    axes.set_yticks(range(len(labels)), labels, family=fonts)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 1)
