"""Concepts of pictures by Deep Feature Factorization: few and many of them, so that merging and splitting are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from conceptrast.base.names import short
from conceptrast.dff.concept_maps import relative_heat
from conceptrast.dff.deep_feature_factorization import Factorized
from conceptrast.figures.canvas import FAINT, INK, Sheet, component_colour
from conceptrast.models.pictures import pixels

WIDTH, MARGIN, GAP, HEAD, FOOT = 14.0, 0.35, 0.08, 1.05, 0.62
PALE = 0.62  # share of white in the picture under the concepts
STRENGTH = 0.9  # share of a concept's colour where it is strongest
PER_LINE = 5  # concepts of the legend side by side
LEAST_DROP = 0.005  # of a probability: it rounds to nothing below, and which class falls most means nothing
MOST = 8  # pictures of a batch that are shown
LINE = 0.47  # height of a line of the legend of a batch
BIG = 2.45  # side of the pictures on the sheet of one picture
LEGEND = MARGIN + 2 * (BIG + GAP) + 0.2  # where its single heatmaps start
NOTE = (
    "Colour: the strongest concept of the pixel, each relative to its own maximum; the fuller, the nearer to it. "
    "Missed: part of the activations that the concepts do not make up.\n"
    "Classes: softmax of the suffix on the concept alone at all positions. Blur: change of probability when the "
    "concept's region is blurred, of the class that falls most; at random: as large a region elsewhere."
)


@dataclass(frozen=True)
class ConceptLine:
    """One concept in the legend: which classes it speaks for, what blurring it does, and what chance does."""

    classes: Sequence[str]
    blur: str
    chance: str = ""


@dataclass(frozen=True)
class DffRow:
    """One factorization: heading, pictures ``[n, H, W, 3]`` with the strongest concept, single heatmaps, legend."""

    heading: str
    overlays: Sequence[np.ndarray]
    heatmaps: Sequence[np.ndarray]
    concepts: Sequence[ConceptLine]


@dataclass(frozen=True)
class DffSheet:
    """All that the figure of pictures that were factorized together shows; a ``reason`` where nothing was found."""

    title: str
    facts: str
    pictures: Sequence[np.ndarray]
    captions: Sequence[str]
    rows: Sequence[DffRow]
    reason: str = ""


def dff_sheet(found: Factorized, views: Tensor, title: str, facts: str) -> DffSheet:
    """Put the figure of pictures that were factorized together, together.

    Args:
        found: what was found in them.
        views: ``[N, c, H, W]`` uint8, in the order of ``found.images``; the first :data:`MOST` are shown.
        title: what the pictures are.
        facts: model and layer, for the header.

    Returns:
        What :func:`draw_dff` draws.
    """
    shown = views[:MOST]
    pictures = [pixels(view) for view in shown]
    captions = [f"{short(name, 20)} {probability:.2f}" for name, probability in found.said[:MOST]]
    rows, limit = [], 20 if len(views) == 1 else 15  # letters of a class that fit into the legend
    for k, features in found.features.items():
        heat = relative_heat(features, (views.shape[2], views.shape[3]))[:MOST]
        heading = f"{k} concept{'s' if k > 1 else ''}  ·  {100 * features.reconstruction_error:.0f} % missed"
        overlays = [strongest_concept(picture, each) for picture, each in zip(pictures, heat, strict=True)]
        single = [one_concept(pictures[0], heat[0, number], number) for number in range(k)] if len(views) == 1 else []
        table = found.table[found.table["n_components"] == k]
        rows.append(DffRow(heading, overlays, single, [_line(part, limit) for _, part in table.groupby("concept")]))
    reason = "" if found.features else str(found.table["reason"].iloc[0])
    if len(views) == 1:
        facts += f"  ·  the model says {short(found.said[0][0])} {found.said[0][1]:.2f}"
    elif len(views) > MOST:
        facts += f"  ·  the first {MOST} of {len(views)} pictures"
    return DffSheet(title, facts, pictures, captions, rows, reason)


def strongest_concept(picture: np.ndarray, heat: Tensor) -> np.ndarray:
    """The strongest concept of every pixel in its colour, the fuller the nearer to its maximum, over a pale picture.

    Args:
        picture: ``[H, W, 3]`` uint8.
        heat: ``[k, H, W]`` relative heat.

    Returns:
        ``[H, W, 3]`` uint8.

    Example:
        >>> import torch
        >>> picture = np.zeros((1, 2, 3), np.uint8)
        >>> drawn = strongest_concept(picture, torch.tensor([[[0.0, 1.0]], [[0.0, 0.5]]]))
        >>> drawn[0, 0].tolist(), drawn[0, 1].tolist()
        ([158, 158, 158], [59, 91, 123])
    """
    strength, which = heat.max(dim=0)
    colours = np.array([to_rgb(component_colour(number)) for number in range(len(heat))])
    return _laid_over(picture, colours[which.numpy()], strength.numpy())


def one_concept(picture: np.ndarray, heat: Tensor, number: int) -> np.ndarray:
    """The heatmap ``[H, W]`` of one concept in its colour over a pale picture ``[H, W, 3]``."""
    return _laid_over(picture, np.array(to_rgb(component_colour(number))), heat.numpy())


def _laid_over(picture: np.ndarray, colour: np.ndarray, strength: np.ndarray) -> np.ndarray:
    grey = picture.mean(axis=2, keepdims=True) / 255
    share = STRENGTH * strength[..., None].clip(0, 1)
    # Light and shade of the picture stay visible inside a concept too.
    mixed = (1 - share) * (PALE + (1 - PALE) * grey) + share * colour * (0.7 + 0.3 * grey)
    return np.round(255 * mixed).astype(np.uint8)


def _line(rows: pd.DataFrame, limit: int) -> ConceptLine:
    """What the legend says of one concept, from its rows."""
    found = rows.to_dict("records")
    classes = [f"{short(row['suffix_class'], limit)} {row['suffix_score']:.2f}" for row in found]
    if found[0]["status"] != "ok":
        return ConceptLine(classes, "no region to blur")
    if abs(found[0]["blur_score"]) < LEAST_DROP:
        return ConceptLine(classes, "blur: changes nothing")
    drop, chance = (_signed(-found[0][name]) for name in ("blur_score", "blur_chance"))
    return ConceptLine(classes, f"blur: {short(found[0]['blur_class'], 15)} {drop}", f"at random {chance}")


def _signed(change: float) -> str:
    """A change of probability with a sign that can be read; no sign where it rounds to nothing."""
    text = f"{change:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


def draw_dff(card: DffSheet) -> Figure:
    """One row for every number of concepts: the pictures with the strongest concept of each pixel, and the legend.

    Args:
        card: what to show.

    Returns:
        A figure of its own, 14 inches wide; where nothing was found it says why.
    """
    one = len(card.pictures) == 1
    side = BIG if one else min(2.3, (WIDTH - 2 * MARGIN + GAP) / len(card.pictures) - GAP)
    heights = [_height(row, one, side) for row in card.rows]
    top = HEAD + (0.1 if one else side + 0.45)
    sheet = Sheet(WIDTH, top + (sum(heights) if heights else 0.5) + FOOT)
    sheet.text(card.title, MARGIN, 0.2, size=18, weight="bold")
    sheet.text(card.facts, MARGIN, 0.56, size=9, colour=FAINT)
    sheet.rule(0.84, MARGIN, WIDTH - MARGIN)
    if not one:
        _pictures(sheet, card.pictures, side, HEAD - 0.05, card.captions)
    if card.reason:
        sheet.text(f"nothing can be shown: {card.reason}", MARGIN, top, size=11, weight="bold")
    y = top
    for row, height in zip(card.rows, heights, strict=True):
        sheet.text(row.heading, MARGIN, y, size=10, weight="bold")
        if one:
            _one_picture(sheet, card.pictures[0], row, y + 0.25)
        else:
            _batch(sheet, row, side, y + 0.25)
        y += height
    sheet.rule(y, MARGIN, WIDTH - MARGIN)
    sheet.text(NOTE if card.rows else "", MARGIN, y + 0.08, size=8, colour=FAINT)
    return sheet.figure


def _height(row: DffRow, one: bool, side: float) -> float:
    """Height of a row with its heading."""
    lines = -(-len(row.concepts) // PER_LINE)
    return 0.45 + (max(side, lines * _cell(lines)[0]) if one else side + 0.12 + lines * LINE)


def _cell(lines: int) -> tuple[float, float, float]:
    """Height of a legend's line on the sheet of one picture, side of the heatmaps in it, and size of its letters."""
    return (BIG, 1.45, 7.5) if lines == 1 else (BIG / 2 + 0.03, 0.64, 6.5)


def _pictures(sheet: Sheet, pictures: Sequence[np.ndarray], side: float, y: float, captions: Sequence[str]) -> None:
    for place, picture in enumerate(pictures):
        x = MARGIN + place * (side + GAP)
        sheet.picture(picture, x, y, side, side)
        if captions:
            sheet.text(captions[place], x, y + side + 0.03, size=7.5, colour=INK)


def _one_picture(sheet: Sheet, picture: np.ndarray, row: DffRow, y: float) -> None:
    """Picture, strongest concepts, and every concept by itself with what the legend says of it."""
    _pictures(sheet, [picture, row.overlays[0]], BIG, y, [])
    height, thumb, size = _cell(-(-len(row.concepts) // PER_LINE))
    width = (WIDTH - MARGIN - LEGEND) / PER_LINE
    for number, (heatmap, concept) in enumerate(zip(row.heatmaps, row.concepts, strict=True)):
        x, top = LEGEND + number % PER_LINE * width, y + number // PER_LINE * height
        sheet.picture(heatmap, x, top, thumb, thumb)
        sheet.chip(number, x + thumb + (-0.13 if thumb > 1 else 0.15), top + 0.13, radius=0.11)
        lines = [*concept.classes, concept.blur, concept.chance]
        sheet.text("\n".join(lines), x, top + thumb + 0.05, size=size)


def _batch(sheet: Sheet, row: DffRow, side: float, y: float) -> None:
    """All pictures with the strongest concepts, and the legend under them."""
    _pictures(sheet, row.overlays, side, y, [])
    width = (WIDTH - 2 * MARGIN) / PER_LINE
    for number, concept in enumerate(row.concepts):
        x, top = MARGIN + number % PER_LINE * width, y + side + 0.1 + number // PER_LINE * LINE
        sheet.chip(number, x + 0.12, top + 0.14, radius=0.12)
        sheet.text("\n".join([", ".join(concept.classes), concept.blur, concept.chance]), x + 0.3, top, size=7)
