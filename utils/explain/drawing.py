"""Pictures of an explanation: what the network saw, and beside it what supports a class, method by method."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import writing
from ..report.canvas import canvas, save
from ..report.fonts import class_labels, drawable, families, plain
from .maps import CAMS, Explanation

TITLES = {
    "grad_cam": "Grad-CAM",
    "grad_cam++": "Grad-CAM++",
    "guided_backprop": "guided backpropagation",
    "guided_grad_cam": "guided Grad-CAM",
}
STRONGEST = 0.7  # opacity of a heat map from half its maximum on; below, it fades with the evidence
OUTLIERS = 0.5  # per cent of a gradient's values that may exceed the range of colours
PANEL = 6.0  # square inches
LEAST_WIDTH = 6.0  # inches of the whole, for its title
MOST_LETTERS = 60  # of the name of the image


@dataclass(frozen=True)
class Asked:
    """What a drawing is of."""

    image: str  # path
    true: str | None = None  # the class that its folder names
    by_user: bool = False  # whether the class to explain was asked for; else it is the predicted one


def draw(path: Path, seen: np.ndarray, explanation: Explanation, classes: Sequence[str], asked: Asked) -> None:
    """Write the drawing. Raises DataError if that fails."""
    figure = drawing(seen, explanation, classes, asked)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path)


def drawing(seen: np.ndarray, explanation: Explanation, classes: Sequence[str], asked: Asked) -> Figure:
    """The picture `seen`, (H, W, 3) uint8, and a panel for each method."""
    height, width = seen.shape[:2]
    breadth = min(4.5, max(1.9, math.sqrt(PANEL * width / height)))
    panels = 1 + len(explanation.pictures)
    figure = canvas(max(LEAST_WIDTH, panels * breadth), breadth * height / width + 0.95)
    first, *others = figure.subplots(1, panels)
    _panel(first, seen, f"seen: {width} x {height}")
    for axes, (method, values) in zip(others, explanation.pictures.items()):
        blank = not values.any()
        picture = overlay(seen, values.numpy()) if method in CAMS else relief(values.numpy())
        _panel(axes, picture, f"{TITLES[method]}: nothing" if blank else TITLES[method])
    lines, fonts = headline(explanation, classes, asked)
    figure.suptitle("\n".join(lines), family=fonts, fontsize=10)
    return figure


def headline(explanation: Explanation, classes: Sequence[str], asked: Asked) -> tuple[list[str], list[str]]:
    """(lines, font families): the image with its true class if that is known; the class that is explained with its
    probability, why that one, and the predicted one if it differs."""
    [name] = drawable([plain(Path(asked.image).name, MOST_LETTERS)])
    labels, fonts = class_labels(classes)
    numbers = explanation.target, explanation.predicted
    target, predicted = (f"{labels[i]}, {explanation.probabilities[i]:.1%}" for i in numbers)
    because = "asked for by --class-id" if asked.by_user else "the predicted class"
    if asked.by_user:
        because += "; predicted too" if explanation.target == explanation.predicted else f"; predicted: {predicted}"
    true = "" if asked.true is None else f"; true class: {labels[classes.index(asked.true)]}"
    return [name + true, f"explained: {target} ({because})"], [*families([name]), *fonts]


def overlay(seen: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 under the colours of `heat`, (H, W) in 0..1, which shows through where it is cold; uint8."""
    colours = matplotlib.colormaps["turbo"](heat)[..., :3] * 255
    opacity = STRONGEST * np.minimum(1, 2 * heat[..., None])
    return np.round((1 - opacity) * seen + opacity * colours).astype(np.uint8)


def relief(gradients: np.ndarray) -> np.ndarray:
    """(3, H, W) of either sign -> (H, W, 3) uint8: grey where nothing counts, lighter where more of a colour helps."""
    extent = np.percentile(np.abs(gradients), 100 - OUTLIERS)
    scaled = gradients / (2 * extent) if extent > 0 else gradients
    return np.round((scaled + 0.5).clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


def _panel(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < 100 else "antialiased")
    axes.set_title(title, fontsize=10)
    axes.axis("off")
