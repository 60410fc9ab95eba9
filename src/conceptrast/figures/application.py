"""A new picture with the components of a class painted over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, Sheet, component_colour
from conceptrast.figures.class_card import overlay

MARGIN = 0.35
CELL = 1.7
GAP = 0.1
HEAD = 1.15
LEAST_WIDTH = 8.0


@dataclass(frozen=True)
class ComponentInPicture:
    """A component in a picture.

    Attributes:
        component: its number, from 0.
        strength: ``[h, w]``, not negative.
        logit_drop: what the class's logit loses without it.
    """

    component: int
    strength: np.ndarray
    logit_drop: float


def draw_application(
    view: np.ndarray, parts: Sequence[ComponentInPicture], title: str, answer: str, fit: str
) -> Figure:
    """Draw the picture, and beside it where each component is.

    Args:
        view: ``[H, W, 3]`` uint8.
        parts: the components, in the order in which they are shown. All maps have one scale.
        title: heading.
        answer: what the model says of the picture.
        fit: whether the picture is like those of the class.
    """
    sheet = Sheet(max(2 * MARGIN + (len(parts) + 1) * (CELL + GAP), LEAST_WIDTH), HEAD + CELL + 0.85)
    sheet.text(title, MARGIN, 0.18, size=14, weight="bold")
    sheet.text(answer, MARGIN, 0.5, size=10)
    sheet.text(fit, MARGIN, 0.74, size=9, colour=FAINT)
    sheet.picture(view, MARGIN, HEAD, width=CELL, height=CELL)
    highest = max((float(part.strength.max()) for part in parts), default=0.0)
    for place, part in enumerate(parts, start=1):
        x = MARGIN + place * (CELL + GAP)
        painted = overlay(view, part.strength / max(highest, 1e-12), component_colour(part.component))
        sheet.picture(painted, x, HEAD, width=CELL, height=CELL)
        sheet.chip(part.component, x + 0.16, HEAD + CELL + 0.24)
        sheet.text(f"logit loses {part.logit_drop:.2f}", x + 0.38, HEAD + CELL + 0.15, size=9)
    note = "Full colour: where the component is strongest of all; below, what the class loses without it."
    sheet.text(note, MARGIN, HEAD + CELL + 0.5, size=8, colour=FAINT)
    return sheet.figure
