"""Concepts of pictures by Deep Feature Factorization, few and many of them, to show how they merge and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.base.progress import counted
from conceptrast.dff.cards import MOST_PICTURES, GroupView
from conceptrast.figures.canvas import FAINT, INK, Sheet, component_colour
from conceptrast.figures.dff_legend import (
    COLUMN,
    LINE,
    LegendEntry,
    LegendGrid,
    chip_grid,
    draw_chips,
    draw_heatmaps,
    heatmap_grid,
    legend_entry,
)

WIDTH = 11.2  # a page of the atlas shows it at full size
MARGIN = 0.35
GAP = 0.08
HEAD = 1.05
ROW_HEAD = 0.28  # of a row, above its pictures
ROW_FOOT = 0.22  # below them
SIDE = 2.1  # of the picture that is factorized alone
MOST_SIDE = 2.8  # of a picture in a batch
CAPTION_LETTER = 0.07  # width of a letter below a picture in a batch
BESIDE = MARGIN + SIDE + 0.17  # what stands beside a picture that is factorized alone starts here
PALE = 0.62  # share of white in the picture under the concepts
STRENGTH = 0.9  # share of a concept's colour where it is strongest
NOTE = (
    "Colour: the strongest concept of the pixel, each relative to its own maximum; the fuller, the nearer to it.",
    "Missed: the part of the activations that the concepts do not make up.",
    "Classes: softmax of the suffix on the concept alone at all positions.",
    "Blur: change of probability when the concept's region is blurred, of the class that falls most.",
    "At random: the same change when as large a region elsewhere is blurred.",
)


@dataclass(frozen=True)
class DffRow:
    """One factorization: heading, pictures ``[n, H, W, 3]`` with the strongest concept, single heatmaps, legend."""

    heading: str
    overlays: Sequence[np.ndarray]
    heatmaps: Sequence[np.ndarray]
    legend: Sequence[LegendEntry]


@dataclass(frozen=True)
class DffSheet:
    """All that the figure of pictures that were factorized together shows; a ``reason`` where it has no concepts."""

    title: str
    facts: str
    pictures: Sequence[np.ndarray]
    captions: Sequence[str]
    rows: Sequence[DffRow]
    reason: str = ""


def dff_sheet(view: GroupView) -> DffSheet:
    """Put texts and colours of the figure together, for :func:`draw_dff`."""
    alone = view.n_pictures == 1
    letters = int(_side(len(view.pictures)) / CAPTION_LETTER) - len(" 0.00")
    facts = view.source
    if alone:
        [(name, probability)] = view.predictions
        facts += f"  ·  the model says {short(name)} {probability:.2f}"
    elif view.n_pictures > MOST_PICTURES:
        facts += f"  ·  the first {MOST_PICTURES} of {view.n_pictures} pictures"
    return DffSheet(
        title=view.title,
        facts=facts,
        pictures=view.pictures,
        captions=[f"{short(name, letters)} {probability:.2f}" for name, probability in view.predictions],
        rows=[_row(view, n_components, alone) for n_components in view.heat],
        reason=view.reason,
    )


def _row(view: GroupView, n_components: int, alone: bool) -> DffRow:
    heat = view.heat[n_components]
    rows = view.table[view.table["n_components"] == n_components]
    return DffRow(
        heading=f"{counted(n_components, 'concepts')}  ·  {100 * view.errors[n_components]:.0f} % missed",
        overlays=[strongest_concept(picture, maps) for picture, maps in zip(view.pictures, heat, strict=True)],
        heatmaps=[one_concept(view.pictures[0], heat[0, number], number) for number in range(n_components)]
        if alone
        else [],
        legend=[legend_entry(concept_rows) for _, concept_rows in rows.groupby("concept")],
    )


def strongest_concept(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Paint the strongest concept of every pixel over a pale picture. The colour is full at the concept's maximum.

    Args:
        picture: ``[H, W, 3]`` uint8.
        heat: ``[k, H, W]`` relative heat; of equal concepts the first has the pixel.

    Returns:
        ``[H, W, 3]`` uint8.

    Example:
        >>> picture = np.zeros((1, 2, 3), np.uint8)
        >>> drawn = strongest_concept(picture, np.float32([[[0.0, 1.0]], [[0.0, 0.5]]]))
        >>> drawn[0, 0].tolist(), drawn[0, 1].tolist()
        ([158, 158, 158], [59, 91, 123])
    """
    colours = np.array([to_rgb(component_colour(number)) for number in range(len(heat))])
    return _laid_over(picture, colours[heat.argmax(axis=0)], heat.max(axis=0))


def one_concept(picture: np.ndarray, heat: np.ndarray, number: int) -> np.ndarray:
    """The heatmap ``[H, W]`` of one concept in its colour over a pale picture ``[H, W, 3]``."""
    return _laid_over(picture, np.array(to_rgb(component_colour(number))), heat)


def _laid_over(picture: np.ndarray, colour: np.ndarray, strength: np.ndarray) -> np.ndarray:
    grey = picture.mean(axis=2, keepdims=True) / 255
    share = STRENGTH * strength[..., None].clip(0, 1)
    # Light and shade of the picture stay visible inside a concept too.
    mixed = (1 - share) * (PALE + (1 - PALE) * grey) + share * colour * (0.7 + 0.3 * grey)
    return np.round(255 * mixed).astype(np.uint8)


def draw_dff(card: DffSheet) -> Figure:
    """One row for every number of concepts: the strongest concept of each pixel, and what every concept speaks for.

    A picture that is factorized alone stands above the rows, with what the words mean beside it, and every concept has
    a heatmap. Pictures that share their concepts stand above the rows side by side.

    Args:
        card: what to draw, as :func:`dff_sheet` gives it.

    Returns:
        A figure of its own, 11.2 inches wide. Where there are no concepts it says why.
    """
    # Sizes, and the sheet.
    alone = len(card.pictures) == 1
    side = _side(len(card.pictures))
    left = BESIDE if alone else _chips_left(len(card.pictures), side)
    grids = [_grid(len(row.legend), alone, side, WIDTH - MARGIN - left) for row in card.rows]
    heights = [ROW_HEAD + _height(grid, side, left > MARGIN) + ROW_FOOT for grid in grids]
    note = len(NOTE) * LINE + 0.25 if card.rows and not alone else 0.0
    top = HEAD + side + (0.25 if alone else 0.45)
    sheet = Sheet(WIDTH, top + (sum(heights) if heights else 0.6) + note)

    # The header.
    sheet.text(card.title, MARGIN, 0.2, size=18, weight="bold")
    sheet.text(card.facts, MARGIN, 0.56, size=10, colour=FAINT)
    sheet.rule(0.84, MARGIN, WIDTH - MARGIN)
    _pictures(sheet, card.pictures, side, y=HEAD - 0.05, captions=() if alone else card.captions)
    if card.reason:
        sheet.text(f"nothing can be shown: {card.reason}", MARGIN, top, size=10, weight="bold")
    if alone and card.rows:
        sheet.text("\n\n".join(NOTE), BESIDE, HEAD, size=9.5, colour=INK)

    # A row for each number of concepts.
    y = top
    for row, grid, height in zip(card.rows, grids, heights, strict=True):
        sheet.text(row.heading, MARGIN, y, size=11, weight="bold")
        if alone:
            _one_picture(sheet, card.pictures[0], row=row, grid=grid, y=y + ROW_HEAD)
        else:
            _batch(sheet, row, grid=grid, side=side, at=(left, y + ROW_HEAD))
        y += height

    # The note at the foot.
    if note:
        sheet.rule(y, MARGIN, WIDTH - MARGIN)
        sheet.text("\n".join(NOTE), MARGIN, y + 0.1, size=8.5, colour=FAINT)
    return sheet.figure


def _side(n_pictures: int) -> float:
    """Side of a picture, in inches."""
    return SIDE if n_pictures == 1 else min(MOST_SIDE, (WIDTH - 2 * MARGIN + GAP) / n_pictures - GAP)


def _chips_left(n_pictures: int, side: float) -> float:
    """Where the legend of shared concepts starts: beside few pictures, or else at the margin, below them."""
    left = MARGIN + n_pictures * (side + GAP) + 0.1
    return left if WIDTH - MARGIN - left >= 2 * COLUMN else MARGIN


def _grid(n_concepts: int, alone: bool, side: float, width: float) -> LegendGrid:
    """How the legend of a row is laid out."""
    return heatmap_grid(n_concepts, width, side) if alone else chip_grid(n_concepts, width)


def _height(grid: LegendGrid, side: float, beside: bool) -> float:
    """Height of a row without its heading; the legend stands beside the pictures or below them."""
    legend = grid.lines * grid.height
    return max(side, legend) if beside else side + 0.12 + legend


def _pictures(
    sheet: Sheet, pictures: Sequence[np.ndarray], side: float, y: float, captions: Sequence[str] = ()
) -> None:
    for place, picture in enumerate(pictures):
        x = MARGIN + place * (side + GAP)
        sheet.picture(picture, x=x, y=y, width=side, height=side)
        if captions:
            sheet.text(captions[place], x, y + side + 0.04, size=8.5, colour=INK)


def _one_picture(sheet: Sheet, picture: np.ndarray, row: DffRow, grid: LegendGrid, y: float) -> None:
    """Strongest concepts, and every concept by itself with its entry of the legend."""
    _pictures(sheet, row.overlays, SIDE, y)
    # A high row has room for the picture again, beside the concepts that are compared with it.
    if grid.lines * grid.height >= 2 * SIDE + GAP:
        _pictures(sheet, [picture], SIDE, y + SIDE + GAP)
    draw_heatmaps(sheet, row.heatmaps, entries=row.legend, grid=grid, at=(BESIDE, y))


def _batch(sheet: Sheet, row: DffRow, grid: LegendGrid, side: float, at: tuple[float, float]) -> None:
    """All pictures with the strongest concepts, and the legend, which starts ``at`` (x, y) or under them."""
    left, y = at
    _pictures(sheet, row.overlays, side, y)
    draw_chips(sheet, row.legend, grid, at=(left, y if left > MARGIN else y + side + 0.12))
