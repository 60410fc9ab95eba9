"""Where a model looks: pictures with their class activation maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, INK, SECOND, Sheet
from conceptrast.saliency.cards import QUESTIONS, PictureMaps

MARGIN = 0.35
GAP = 0.1
HEAD = 1.25
NOTE = 0.52  # where the lines below the title start
BAR = 1.0  # where the colour bar starts
BAR_HEIGHT = 0.13
TITLES = 0.45
LINES = 0.5
CELL = 1.75
MOST_ROWS = 10
DPI = 120  # finer than other figures: photographs are looked at closely
OVERLAY = 0.7  # strength of a map over its picture, where it is highest


def draw_saliency(rows: Sequence[PictureMaps], title: str, note: str) -> Figure:
    """A colour bar; then a row for each picture: it; its first map alone, over it and times it; other maps over it.

    Args:
        rows: at most :data:`MOST_ROWS` are drawn; all have maps of the same headings. A line of text says so if a map
            is zero or if there are no rows.
        title: heading.
        note: two lines below it, at most.
    """
    # A figure without rows says that there are none.
    if not rows:
        sheet = Sheet(8.0, NOTE + 0.5)
        sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
        sheet.text(f"{note}; there is no picture to look at", MARGIN, NOTE, size=9, colour=FAINT)
        return sheet.figure

    # Title, colour bar and headings of the columns.
    drawn_rows = rows[:MOST_ROWS]
    headings = list(drawn_rows[0].maps)
    columns = ["picture", headings[0], "over the picture", "picture × map", *headings[1:]]
    step = LINES + CELL + GAP
    sheet = Sheet(2 * MARGIN + len(columns) * (CELL + GAP), HEAD + TITLES + step * len(drawn_rows))
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, NOTE, size=9, colour=FAINT)
    _colour_bar(sheet)
    for column, name in enumerate(columns):
        sheet.text(name, MARGIN + column * (CELL + GAP), HEAD + TITLES - 0.08, size=9, weight="bold", va="bottom")

    # A row for each picture.
    for place, row in enumerate(drawn_rows):
        _row(sheet, row, headings, HEAD + TITLES + place * step)
    return sheet.figure


def saliency_note(source: str, rows: Sequence[PictureMaps], boxes_known: bool = False) -> str:
    """Lines below the heading of :func:`draw_saliency`: what is shown, and what the numbers below the pictures are.

    Args:
        source: model and layer, in words.
        rows: all rows of the figure.
        boxes_known: whether the concept that tells A from B is known and outlined.

    Example:
        >>> saliency_note("resnet50 at layer4", [])
        'resnet50 at layer4; each map is relative to its own maximum'
    """
    note = f"{source}; each map is relative to its own maximum"
    if boxes_known:
        note += "; outlined: the concept of A that B lacks"
    if len(rows) > MOST_ROWS:
        note += f"; the first {MOST_ROWS} of {len(rows)} pictures"
    return "\n".join([note, *_numbers(rows)])


def _numbers(rows: Sequence[PictureMaps]) -> list[str]:
    """What the numbers below the pictures are, in a line; no line if there are no pictures."""
    if not rows:
        return []
    headings = [heading.split(",")[0] for heading in rows[0].maps]
    says = "says: the likeliest class, and its probability"
    if QUESTIONS["difference"] in headings:
        return [f"{says}; A, B: the probability of A if A and B were the only classes"]
    return [f"{says}; A: its probability" if QUESTIONS["class"] in headings else says]


def _colour_bar(sheet: Sheet) -> None:
    """The colours from 0 to the maximum of a map, as wide as a picture."""
    colours = heatmap(np.linspace(0, 1, 175)[None].repeat(13, axis=0))
    x = MARGIN + 0.15
    middle = BAR + BAR_HEIGHT / 2
    sheet.text("0", MARGIN, middle, size=9, va="center")
    sheet.picture(colours, x=x, y=BAR, width=CELL, height=BAR_HEIGHT)
    sheet.text("maximum of the map", x + CELL + 0.07, middle, size=9, va="center")


def _row(sheet: Sheet, row: PictureMaps, headings: list[str], y: float) -> None:
    """The cells of one picture, and the lines below it."""
    first = row.maps[headings[0]]
    cells = [row.picture, heatmap(first), overlay(row.picture, first), product(row.picture, first)]
    cells += [overlay(row.picture, row.maps[name]) for name in headings[1:]]
    map_names = [headings[0]] * 4 + headings[1:]
    for column, (cell, name) in enumerate(zip(cells, map_names, strict=True)):
        x = MARGIN + column * (CELL + GAP)
        left, top, width, _ = sheet.picture(cell, x=x, y=y, width=CELL, height=CELL)
        _outline(sheet, row, left, top, scale=width / cell.shape[1])
        if column and not row.maps[name].any():
            sheet.text("nothing speaks for it", x, y + CELL + 0.05, size=8, colour=FAINT)
    for number, line in enumerate(row.lines):
        sheet.text(line, MARGIN, y + CELL + 0.05 + 0.17 * number, size=8, colour=INK if number == 0 else FAINT)


def _outline(sheet: Sheet, row: PictureMaps, x: float, y: float, scale: float) -> None:
    for top, left, height, width in row.boxes:
        sheet.frame(
            x=x + left * scale,
            y=y + top * scale,
            width=width * scale,
            height=height * scale,
            colour=SECOND,
            line=1.2,
        )


def heatmap(values: np.ndarray) -> np.ndarray:
    """A map ``[H, W]`` in [0, 1] as a picture ``[H, W, 3]`` uint8: black is 0.

    Example:
        >>> heatmap(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 3], [252, 254, 164]]]
    """
    coloured: np.ndarray = colormaps["inferno"](values)[..., :3]
    return (255 * coloured).astype(np.uint8)


def overlay(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    r"""A map over its picture: the picture stays where the map is 0.

    .. math:: (1 - s\,m)\,x + s\,m\,\mathrm{colour}(m)

    with :math:`s` = :data:`OVERLAY`.

    Example:
        >>> overlay(np.full((1, 2, 3), 100, np.uint8), np.array([[0.0, 1.0]]))[0, 0].tolist()
        [100, 100, 100]
    """
    share = OVERLAY * values[..., None]
    return ((1 - share) * picture + share * heatmap(values)).astype(np.uint8)


def product(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A picture ``[H, W, 3]`` multiplied by a map: only the parts with high values stay bright.

    Example:
        >>> product(np.full((1, 2, 3), 100, np.uint8), np.array([[0.5, 1.0]]))[0, :, 0].tolist()
        [50, 100]
    """
    return (picture * values[..., None]).astype(np.uint8)
