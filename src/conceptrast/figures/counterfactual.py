"""A counterfactual as pictures: a strip for each edit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.base.progress import counted
from conceptrast.counterfactual.edit_kinds import NO_VECTOR
from conceptrast.counterfactual.story import Story
from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet

MARGIN = 0.35
CELL = 1.15
GAP = 0.08
HEAD = 1.25
ROW = 1.86
LABEL = 2.0
MOST_FRAMES = 6


def draw_counterfactual(stories: Sequence[Story], names: Sequence[str], title: str, note: str) -> Figure:
    """A strip for every edit: decoded pictures on the way, what the model says of them, and where they change.

    Args:
        stories: the stories of one picture, one for each edit. All have equally many frames; at most
            :data:`MOST_FRAMES` of them are drawn.
        names: the names of A and B.
        title: heading.
        note: line below it.
    """
    # The header.
    steps = len(_frame_numbers(stories[0]))
    width = 2 * MARGIN + LABEL + (steps + 2) * (CELL + GAP) + 0.3
    sheet = Sheet(width, HEAD + ROW * len(stories) + 0.1)
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.52, size=9, colour=FAINT)
    _legend(sheet, names, 0.76)

    # A strip for every edit, with its name and where it ends.
    for place, story in enumerate(stories):
        y = HEAD + place * ROW
        sheet.rule(y - 0.1, MARGIN, width - MARGIN)
        sheet.text(story.edit.kind.replace("_", " "), MARGIN, y + 0.05, size=11, weight="bold")
        vector = [] if story.edit.direction == NO_VECTOR else [story.edit.direction]
        sheet.text(_wrapped(": ".join([*vector, story.edit.origin])), MARGIN, y + 0.3, size=8, colour=FAINT)
        positions = counted(int(story.cells[-1]), "positions")
        end = f"p(B) = {story.decoded[-1, 1]:.2f} at λ = {story.lambdas[-1]:.2f}\n{positions}"
        sheet.text(end, MARGIN, y + 0.85, size=8, colour=SECOND if story.reached else INK)
        _strip(sheet, story, MARGIN + LABEL, y)
    return sheet.figure


def _strip(sheet: Sheet, story: Story, x: float, y: float) -> None:
    """Original, frames and change of one story."""
    # The original.
    sheet.picture(story.original, x=x, y=y, width=CELL, height=CELL)
    sheet.text("original", x, y + CELL + 0.05, size=8, colour=FAINT)
    # Decoded pictures, and what is said of them.
    numbers = _frame_numbers(story)
    for place, number in enumerate(numbers):
        left = x + (place + 1) * (CELL + GAP) + 0.15
        sheet.picture(story.frames[number], x=left, y=y, width=CELL, height=CELL)
        _bars(sheet, story.decoded[number], left, y + CELL + 0.1)
        lines = f"λ {story.lambdas[number]:.2f}\nsuffix p(B) {story.suffix[number, 1]:.2f}"
        sheet.text(lines, left, y + CELL + 0.24, size=8.5, colour=FAINT)
    # What changed between the first and the last.
    left = x + (len(numbers) + 1) * (CELL + GAP) + 0.3
    change = story.change
    sheet.picture(heat(change), x=left, y=y, width=CELL, height=CELL)
    sheet.text(f"change, up to {change.max():.2f}", left, y + CELL + 0.05, size=8, colour=FAINT)


def _frame_numbers(story: Story) -> list[int]:
    """Frames of a strip: both ends and others at equal distances."""
    count = len(story.frames)
    return np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int).tolist()


def _bars(sheet: Sheet, probabilities: np.ndarray, x: float, y: float) -> None:
    """Probabilities of A and B of a decoded picture, one bar above the other."""
    for number, (probability, colour) in enumerate(zip(probabilities, (FIRST, SECOND), strict=True)):
        top = y + 0.08 * number
        sheet.bar(x, top, width=CELL, height=0.05, colour="#EEEEEE")
        sheet.bar(x, top, width=CELL * float(probability), height=0.05, colour=colour)


def _legend(sheet: Sheet, names: Sequence[str], y: float) -> None:
    sheet.bar(MARGIN, y + 0.08, width=0.25, height=0.07, colour=FIRST)
    sheet.text(f"p(A), A = {short(names[0])}", MARGIN + 0.32, y, size=9)
    sheet.bar(MARGIN + 2.6, y + 0.08, width=0.25, height=0.07, colour=SECOND)
    sheet.text(f"p(B), B = {short(names[1])}: the whole model on the picture shown", MARGIN + 2.92, y, size=9)


def _wrapped(text: str, limit: int = 30) -> str:
    """Lines of at most ``limit`` characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= limit:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])


def heat(change: np.ndarray) -> np.ndarray:
    """A map ``[H, W]`` as a picture ``[H, W, 3]`` uint8, its highest value the brightest.

    Example:
        >>> heat(np.array([[0.0, 2.0]]))[0, 1].tolist()
        [251, 252, 191]
    """
    coloured: np.ndarray = colormaps["magma"](change / max(float(change.max()), 1e-12))[..., :3]
    return (255 * coloured).astype(np.uint8)
