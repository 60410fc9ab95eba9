"""The concepts of a class that ACE has found: example segments in their pictures, and how each CAV scores."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from conceptrast.ace.cards import EXAMPLES_PER_ROW, AceCard, ConceptRow
from conceptrast.ace.concepts import AGAINST, FOR
from conceptrast.base.names import short
from conceptrast.figures.canvas import FAINT, INK, MATCH, MISMATCH, Sheet, component_colour

WIDTH = 14.0
MARGIN = 0.35
CELL = 0.98
GAP = 0.06
HEAD = 1.28
FOOT = 0.78
LEFT = MARGIN + 0.4  # where example segments start
STRIP = LEFT + EXAMPLES_PER_ROW * (CELL + GAP) + 0.25  # where the scores start
STRIP_WIDTH = 1.75
BINS = 10
WORDS = STRIP + STRIP_WIDTH + 0.3
PALE = 0.72  # share of white in what surrounds a segment
NOTE = (
    "TCAV score: share of the class's images whose logit rises towards the concept. Up, coloured: the concept's CAVs, "
    "one for every draw of random segments; down, grey: CAVs between random segments;\n"
    "dashed: means. Derivative: of the logit, per unit along the CAV at every position, mean over images and draws. "
    "Holm: p corrected for the number of concepts."
)


def draw_ace_card(card: AceCard) -> Figure:
    """One row for every kept concept, the strongest first.

    Args:
        card: what to show.

    Returns:
        A figure of its own, 14 inches wide; a class without concepts says why.
    """
    # Header.
    step = CELL + 0.16
    sheet = Sheet(WIDTH, HEAD + step * max(len(card.rows), 1) + FOOT)
    sheet.text(f"concepts of {short(card.class_name, 60)}", MARGIN, 0.2, size=18, weight="bold")
    sheet.text(card.facts, MARGIN, 0.56, size=9, colour=FAINT)
    sheet.rule(0.84, MARGIN, WIDTH - MARGIN)
    if card.rows:
        sheet.text("segments nearest to the concept's centre, in their pictures", LEFT, 0.95, size=9, colour=FAINT)
        sheet.text("TCAV scores", STRIP, 0.95, size=9, colour=FAINT)
        sheet.text("the test; what the concept is", WORDS, 0.95, size=9, colour=FAINT)
    else:
        sheet.text("no concept can be shown", MARGIN, HEAD, size=11, weight="bold")

    # Concepts, then the notes.
    for number, row in enumerate(card.rows):
        _row(sheet, card, number=number, row=row, y=HEAD + number * step)
    bottom = HEAD + step * max(len(card.rows), 1) + 0.08
    sheet.rule(bottom - 0.04, MARGIN, WIDTH - MARGIN)
    sheet.text(NOTE if card.rows else "", MARGIN, bottom + 0.02, size=9, colour=FAINT)
    left_out = f"left out: {'; '.join(card.left_out)}" if card.left_out else ""
    sheet.text(short_line(left_out), MARGIN, bottom + 0.42, size=9, colour=FAINT)
    return sheet.figure


def highlighted(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with everything but a segment grey and pale.

    Args:
        picture: ``[H, W, 3]`` uint8.
        mask: ``[H, W]`` bool.

    Example:
        >>> picture = np.full((1, 2, 3), 100, np.uint8)
        >>> highlighted(picture, np.array([[True, False]]))[0, :, 0].tolist()
        [100, 212]
    """
    grey = 255 * PALE + (1 - PALE) * picture.mean(axis=2, keepdims=True)
    return np.where(mask[..., None], picture, np.round(grey)).astype(np.uint8)


def short_line(text: str, limit: int = 175) -> str:
    """A text that fits across the sheet."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _row(sheet: Sheet, card: AceCard, number: int, row: ConceptRow, y: float) -> None:
    colour = component_colour(number)
    sheet.chip(number, MARGIN + 0.16, y + CELL / 2)
    for place, (picture, mask) in enumerate(row.examples):
        box = sheet.picture(highlighted(picture, mask), LEFT + place * (CELL + GAP), y, width=CELL, height=CELL)
        _outline(sheet, mask, box, colour)
    _scores(sheet, row.scores, random=card.random, colour=colour, y=y)
    verdicts = {FOR: ("speaks for the class", MATCH), AGAINST: ("speaks against it", MISMATCH)}
    verdict, ink = verdicts.get(row.speaks, ("not significant", FAINT))
    sheet.text(verdict, WORDS, y, size=11, weight="bold", colour=ink)
    sheet.text(row.facts, WORDS, y + 0.24, size=9, colour=INK)
    sheet.text(row.shows, WORDS, y + 0.78, size=9, weight="bold", colour=INK)


def _outline(sheet: Sheet, mask: np.ndarray, box: tuple[float, float, float, float], colour: str) -> None:
    """Border of a segment over its picture."""
    x, y, w, h = box
    rows, columns = mask.shape
    across = x + w * (np.arange(columns) + 0.5) / columns
    down = y + h * (np.arange(rows) + 0.5) / rows
    sheet.axes.contour(across, down, mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.6)


def _scores(sheet: Sheet, scores: np.ndarray, random: np.ndarray, colour: str, y: float) -> None:
    """Both distributions over draws from 0 to 1, the concept's upwards and that of random CAVs downwards."""
    middle = y + CELL / 2 - 0.05
    height = CELL / 2 - 0.12
    width = STRIP_WIDTH / BINS
    for values, ink, sign in ((scores, colour, -1), (random, "#BBBBBB", 1)):
        shares = np.histogram(values, bins=BINS, range=(0, 1))[0] / max(len(values), 1)
        for place, share in enumerate(shares):
            tall = share * height
            sheet.bar(
                STRIP + place * width + 0.01, middle + sign * tall / 2, width=width - 0.02, height=tall, colour=ink
            )
        at = STRIP + float(np.mean(values)) * STRIP_WIDTH
        sheet.axes.plot([at, at], [middle, middle + sign * height], color=INK, linewidth=1.0, linestyle=(0, (2, 1.5)))
    sheet.axes.plot([STRIP, STRIP + STRIP_WIDTH], [middle, middle], color=INK, linewidth=0.8)
    for tick, at in (("0", 0.0), ("0.5", 0.5), ("1", 1.0)):
        sheet.text(tick, STRIP + at * STRIP_WIDTH, y + CELL - 0.13, size=8.5, colour=FAINT, ha="center")
