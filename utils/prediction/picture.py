"""The picture of one prediction."""

from pathlib import Path

from matplotlib.ticker import PercentFormatter

from ..data.images import MAX_PIXELS, read_image
from ..report.canvas import canvas, save
from ..report.fonts import class_labels
from .predictions import Prediction


def draw_prediction(path: Path, prediction: Prediction, max_pixels: int = MAX_PIXELS) -> None:
    """The image beside a bar for each ranked class, with its probability."""
    names, probabilities = zip(*prediction.ranked)
    labels, fonts = class_labels(names)
    figure = canvas(9, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    left.imshow(read_image(prediction.path, max_pixels))
    left.axis("off")
    bars = right.barh(range(len(labels)), probabilities, color="#4477aa")
    right.bar_label(bars, [f"{p:.1%}" for p in probabilities], padding=3)
    right.set(xlim=(0, 1.15), title="probability")
    right.set_yticks(range(len(labels)), labels, family=fonts)
    right.invert_yaxis()
    right.xaxis.set_major_formatter(PercentFormatter(1))
    save(figure, path)
