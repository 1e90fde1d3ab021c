"""A plot of curves as svg, whose colours follow the page's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .markup import Html, join, tag

WIDTH, HEIGHT = 500, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 10, 22  # of the frame around the curves
MOST_POINTS = 400  # of a curve: more than its pixels
COLOURS = 10


@dataclass(frozen=True)
class Curve:
    """x and y: (n,) of equal length; where one of them is no number, the curve has a gap."""

    name: object
    x: np.ndarray
    y: np.ndarray
    colour: int
    dashed: bool = False
    marks: bool = False  # a dot at each point


@dataclass(frozen=True)
class Axis:
    label: object
    low: float | None = None  # None: as the curves need
    high: float | None = None
    percent: bool = False

    def over(self, values: Sequence[np.ndarray]) -> tuple[float, float]:
        """The range that is shown."""
        found = np.concatenate([np.ravel(value) for value in values]) if values else np.empty(0)
        found = found[np.isfinite(found)]
        low = self.low if self.low is not None else float(found.min(initial=np.inf))
        high = self.high if self.high is not None else float(found.max(initial=-np.inf))
        if not low <= high:
            return 0.0, 1.0
        return (low, high) if low < high else (low - 0.5, high + 0.5)

    def ticks(self, low: float, high: float) -> list[float]:
        """Round numbers, four to eight."""
        step = 10 ** math.floor(math.log10((high - low) / 4))
        step *= next((factor for factor in (5, 2) if (high - low) / (step * factor) >= 4), 1)
        first = math.ceil(low / step - 1e-9)
        return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]

    def shown(self, value: float) -> str:
        return f"{100 * value:g}%" if self.percent else f"{value:.4g}"


def plot(title: Html, x: Axis, y: Axis, curves: Sequence[Curve]) -> Html:
    """A figure with its legend; nothing where no curve has a point."""
    curves = [thinned(curve) for curve in curves if np.isfinite(curve.x + curve.y).any()]
    if not curves:
        return Html("")
    ranges = x.over([curve.x for curve in curves]), y.over([curve.y for curve in curves])
    drawn = [*_grid(x, y, *ranges), *(part for curve in curves for part in _drawn(curve, *ranges))]
    legend = (tag("span", tag("i", class_=f"key c{curve.colour}"), " ", curve.name, " ") for curve in curves)
    figure = tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT, aria_hidden="true")
    across = tag("div", x.label, class_="small across")  # html, which svg has no room for
    return tag("figure", tag("figcaption", tag("b", title), tag("br"), join(legend)), figure, across)


def thinned(curve: Curve) -> Curve:
    """Of many points every so manieth, and the last."""
    if len(curve.x) <= MOST_POINTS:
        return curve
    kept = np.unique(np.linspace(0, len(curve.x) - 1, MOST_POINTS).round().astype(int))
    return Curve(curve.name, curve.x[kept], curve.y[kept], curve.colour, curve.dashed, curve.marks)


def _place(value: Any, low: float, high: float, start: float, end: float) -> Any:
    """Numbers of low..high, one or an array, on the way from `start` to `end`."""
    return start + (value - low) / (high - low) * (end - start)


def _grid(x: Axis, y: Axis, of_x: tuple[float, float], of_y: tuple[float, float]) -> list[Html]:
    parts, bottom, right = [], HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in x.ticks(*of_x):
        at = f"{_place(value, *of_x, LEFT, right):.1f}"
        parts.append(tag("path", d=f"M{at} {TOP}V{bottom}", class_="axis"))
        parts.append(tag("text", x.shown(value), x=at, y=bottom + 15, text_anchor="middle"))
    for value in y.ticks(*of_y):
        height = _place(value, *of_y, bottom, TOP)
        parts.append(tag("path", d=f"M{LEFT} {height:.1f}H{right}", class_="axis"))
        parts.append(tag("text", y.shown(value), x=LEFT - 6, y=f"{height + 4:.1f}", text_anchor="end"))
    return parts


def _drawn(curve: Curve, of_x: tuple[float, float], of_y: tuple[float, float]) -> list[Html]:
    across = _place(curve.x, *of_x, LEFT, WIDTH - RIGHT)
    down = _place(np.clip(curve.y, *of_y), *of_y, HEIGHT - BOTTOM, TOP)
    whole = np.isfinite(across + down)
    path, pen = [], "M"
    for right, below, there in zip(across, down, whole):
        path.append(f"{pen}{right:.1f} {below:.1f}" if there else "")
        pen = "L" if there else "M"
    line = tag("path", d="".join(path), class_=f"curve c{curve.colour}{' dashed' if curve.dashed else ''}")
    if not curve.marks and whole.sum() > 1:
        return [line]
    places = zip(across[whole], down[whole])
    return [line, *(tag("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=3, class_=f"c{curve.colour}") for a, b in places)]
