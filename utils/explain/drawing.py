"""Pictures of an explanation: what the network saw, and beside it what supports a class, method by method."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from ..files import writing
from ..report.canvas import canvas, save
from ..report.fonts import class_labels
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


def draw(path: Path, seen: np.ndarray, explanation: Explanation, classes: Sequence[str]) -> None:
    """Write the picture `seen`, (H, W, 3) uint8, and a panel for each method. Raises DataError if writing fails."""
    height, width = seen.shape[:2]
    breadth = min(4.5, max(1.9, math.sqrt(PANEL * width / height)))
    panels = 1 + len(explanation.pictures)
    figure = canvas(panels * breadth, breadth * height / width + 0.7)
    first, *others = figure.subplots(1, panels)
    _panel(first, seen, f"seen: {width} x {height}")
    for axes, (method, values) in zip(others, explanation.pictures.items()):
        blank = not values.any()
        picture = overlay(seen, values.numpy()) if method in CAMS else relief(values.numpy())
        _panel(axes, picture, f"{TITLES[method]}: nothing" if blank else TITLES[method])
    title, fonts = headline(explanation, classes)
    figure.suptitle(title, family=fonts, fontsize=11)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path)


def headline(explanation: Explanation, classes: Sequence[str]) -> tuple[str, list[str]]:
    """(title, font families): the class that is explained with its probability, and the predicted one if it differs."""
    labels, fonts = class_labels(classes)
    numbers = dict.fromkeys((explanation.target, explanation.predicted))
    texts = [f"{labels[number]}: {explanation.probabilities[number]:.1%}" for number in numbers]
    return (texts[0] if len(texts) == 1 else f"{texts[0]}   (predicted {texts[1]})"), fonts


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
