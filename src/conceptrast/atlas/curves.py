"""Curves as elements of a page: points of an SVG path, drawn by the browser in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 320
HEIGHT = 140


@dataclass(frozen=True)
class Curve:
    """One curve of a plot.

    Args:
        name: what it shows.
        kind: its class in the style sheet: ``for``, ``against``, ``first``, ``second``, with ``chance`` behind it if
            it is dotted.
        points: the SVG path.
        last: its value at the end.
        mean: the mean of its values.
    """

    name: str
    kind: str
    points: str
    last: float
    mean: float


def curve(name: str, kind: str, places: Sequence[float], values: Sequence[float]) -> Curve:
    """A curve of probabilities in a plot of 320 × 140 units.

    Args:
        name: what it shows.
        kind: its class in the style sheet.
        places: ``[n]``, from left to right, in any unit.
        values: ``[n]``, from 0 to 1.

    Example:
        >>> curve("p", "for", [0, 1], [0.0, 1.0]).points
        'M0 140L320 0'
    """
    start = min(places)
    length = max(places) - start or 1.0
    points = (
        f"{(place - start) / length * WIDTH:.4g} {(1 - min(max(value, 0.0), 1.0)) * HEIGHT:.4g}"
        for place, value in zip(places, values, strict=True)
    )
    path = "M" + "L".join(points)
    return Curve(name=name, kind=kind, points=path, last=float(values[-1]), mean=sum(values) / len(values))


def halfway(offset: float) -> float:
    """The offset in the middle between none and this one, as :func:`offsets_apart` places them.

    Example:
        >>> round(halfway(200.0))
        10
    """
    return math.sinh(math.asinh(offset) / 2)


def offsets_apart(offsets: Iterable[float]) -> list[float]:
    """Places of the offsets of a shift, which grow too fast for an even scale."""
    return [math.asinh(offset) for offset in offsets]
