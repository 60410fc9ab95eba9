"""What the concepts of a class look like: real patches above, and below what a decoder makes of the concept alone."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.counterfactual.concept_pictures import ConceptPicture
from conceptrast.figures.canvas import FAINT, INK, MATCH, MISMATCH, Sheet

COLUMNS = 6
MARGIN = 0.35
SMALL = 0.58
LARGE = 1.3
GAP = 0.05
STEP = 2.1
HEAD = 1.15
ROW = 3.75


def draw_concept_pictures(
    pictures: Sequence[ConceptPicture], captions: Sequence[tuple[str, bool | None]], title: str, note: str
) -> Figure:
    """A block for every concept: its name, real patches, the concept decoded alone, and a line about it.

    Args:
        pictures: the concepts.
        captions: for each of them a line, and whether the reader is right; ``None`` where nobody knows.
        title: heading.
        note: line below it.
    """
    rows = -(-len(pictures) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * STEP
    sheet = Sheet(width, HEAD + rows * ROW)
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.55, size=9, colour=FAINT)
    for number, (picture, (caption, right)) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(number, COLUMNS)
        x = MARGIN + column * STEP
        y = HEAD + row * ROW
        sheet.text(f"{picture.concept.kind} {short(picture.concept.name, 18)}", x, y - 0.08, size=10, weight="bold")
        for place, example in enumerate(picture.examples):
            down, across = divmod(place, 3)
            left = x + across * (SMALL + GAP)
            top = y + 0.2 + down * (SMALL + GAP)
            sheet.picture(example, x=left, y=top, width=SMALL, height=SMALL)
        below = y + 0.2 + 2 * (SMALL + GAP) + 0.1
        sheet.picture(picture.patch, x=x, y=below, width=LARGE, height=LARGE)
        colour = {None: INK, True: MATCH, False: MISMATCH}[right]
        sheet.text(caption, x, below + LARGE + 0.08, size=8, colour=colour)
    return sheet.figure
