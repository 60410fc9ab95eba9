"""Concepts of pictures by Deep Feature Factorization, few and many of them, to show how they merge and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.dff.cards import MOST_PICTURES, GroupView
from conceptrast.figures.canvas import FAINT, INK, Sheet, component_colour
from conceptrast.figures.dff_legend import (
    PER_LINE,
    SINGLE_ROW,
    LegendEntry,
    batch_legend_height,
    draw_batch_legend,
    draw_single_legend,
    legend_entry,
    single_legend_height,
)

WIDTH = 14.0
MARGIN = 0.35
GAP = 0.08
HEAD = 1.05
FOOT = 0.62
PALE = 0.62  # share of white in the picture under the concepts
STRENGTH = 0.9  # share of a concept's colour where it is strongest
LEGEND = MARGIN + 2 * (SINGLE_ROW + GAP) + 0.2  # where the single heatmaps of one picture start
NOTE = (
    "Colour: the strongest concept of the pixel, each relative to its own maximum; the fuller, the nearer to it. "
    "Missed: part of the activations that the concepts do not make up.\n"
    "Classes: softmax of the suffix on the concept alone at all positions. Blur: change of probability when the "
    "concept's region is blurred, of the class that falls most; at random: as large a region elsewhere."
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
        captions=[f"{short(name, 20)} {probability:.2f}" for name, probability in view.predictions],
        rows=[_row(view, n_components, alone) for n_components in view.heat],
        reason=view.reason,
    )


def _row(view: GroupView, n_components: int, alone: bool) -> DffRow:
    heat = view.heat[n_components]
    limit = 20 if alone else 15  # letters of a class that fit into the legend
    plural = "s" if n_components > 1 else ""
    rows = view.table[view.table["n_components"] == n_components]
    return DffRow(
        heading=f"{n_components} concept{plural}  ·  {100 * view.errors[n_components]:.0f} % missed",
        overlays=[strongest_concept(picture, maps) for picture, maps in zip(view.pictures, heat, strict=True)],
        heatmaps=[one_concept(view.pictures[0], heat[0, number], number) for number in range(n_components)]
        if alone
        else [],
        legend=[legend_entry(concept_rows, limit) for _, concept_rows in rows.groupby("concept")],
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
    """One row for every number of concepts: the pictures with the strongest concept of each pixel, and the legend.

    Args:
        card: what to draw, as :func:`dff_sheet` gives it.

    Returns:
        A figure of its own, 14 inches wide. Where there are no concepts it says why.
    """
    # Sizes, and the sheet.
    alone = len(card.pictures) == 1
    side = SINGLE_ROW if alone else min(2.3, (WIDTH - 2 * MARGIN + GAP) / len(card.pictures) - GAP)
    heights = [_height(row, alone, side) for row in card.rows]
    top = HEAD + (0.1 if alone else side + 0.45)
    sheet = Sheet(WIDTH, top + (sum(heights) if heights else 0.5) + FOOT)

    # The header.
    sheet.text(card.title, MARGIN, 0.2, size=18, weight="bold")
    sheet.text(card.facts, MARGIN, 0.56, size=9, colour=FAINT)
    sheet.rule(0.84, MARGIN, WIDTH - MARGIN)
    if not alone:
        _pictures(sheet, card.pictures, side, y=HEAD - 0.05, captions=card.captions)
    if card.reason:
        sheet.text(f"nothing can be shown: {card.reason}", MARGIN, top, size=11, weight="bold")

    # A row for each number of concepts.
    y = top
    for row, height in zip(card.rows, heights, strict=True):
        sheet.text(row.heading, MARGIN, y, size=10, weight="bold")
        if alone:
            _one_picture(sheet, card.pictures[0], row, y + 0.25)
        else:
            _batch(sheet, row, side, y + 0.25)
        y += height

    # The note at the foot.
    sheet.rule(y, MARGIN, WIDTH - MARGIN)
    sheet.text(NOTE if card.rows else "", MARGIN, y + 0.08, size=8, colour=FAINT)
    return sheet.figure


def _height(row: DffRow, alone: bool, side: float) -> float:
    """Height of a row with its heading."""
    if alone:
        return 0.45 + max(side, single_legend_height(len(row.legend)))
    return 0.45 + (side + 0.12 + batch_legend_height(len(row.legend)))


def _pictures(
    sheet: Sheet, pictures: Sequence[np.ndarray], side: float, y: float, captions: Sequence[str] = ()
) -> None:
    for place, picture in enumerate(pictures):
        x = MARGIN + place * (side + GAP)
        sheet.picture(picture, x=x, y=y, width=side, height=side)
        if captions:
            sheet.text(captions[place], x, y + side + 0.03, size=7.5, colour=INK)


def _one_picture(sheet: Sheet, picture: np.ndarray, row: DffRow, y: float) -> None:
    """Picture, strongest concepts, and every concept by itself with its entry of the legend."""
    _pictures(sheet, [picture, row.overlays[0]], SINGLE_ROW, y)
    width = (WIDTH - MARGIN - LEGEND) / PER_LINE
    draw_single_legend(sheet, row.heatmaps, row.legend, left=LEGEND, y=y, width=width)


def _batch(sheet: Sheet, row: DffRow, side: float, y: float) -> None:
    """All pictures with the strongest concepts, and the legend under them."""
    _pictures(sheet, row.overlays, side, y)
    width = (WIDTH - 2 * MARGIN) / PER_LINE
    draw_batch_legend(sheet, row.legend, left=MARGIN, y=y + side + 0.1, width=width)
