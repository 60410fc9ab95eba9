"""The card of a class: its components as patches, where they come from, and what the model says of them combined."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from conceptrast.base.errors import ShapeError
from conceptrast.base.names import short
from conceptrast.base.progress import counted
from conceptrast.concepts.cards import PATCHES_PER_ROW, Box, ClassCard, PatchRow, Verdict
from conceptrast.figures.canvas import FAINT, INK, MATCH, MISMATCH, Sheet, component_colour

WIDTH = 14.0
MARGIN = 0.35
GAP = 0.06
ROW = 0.92  # height of a row of patches
# Widths: of a whole image, its prediction, the combined image.
SOURCE = 0.92
CAPTION = 1.3
COMBINED = 2.6
# Width of the bar of a component's importance.
BAR = 0.72
# Where pictures start, and where the combined image does.
LEFT = MARGIN + 0.4 + BAR + 0.12
RIGHT = WIDTH - MARGIN - COMBINED
HEADINGS = {
    "all": "Nearest patches among all images",
    "exclude_target": "Nearest patches among images that are not predicted as the class",
}
HEATMAP_NOTE = (
    "Full colour: where the component is\n"
    "strongest in these images; grey: where it\n"
    "is absent. One scale per component."
)


def draw_class_card(card: ClassCard) -> Figure:
    """Draw the card of one class: both selections, the combined images with verdicts, the component heatmaps.

    Args:
        card: what to show.

    Returns:
        A new figure, 14 inches wide; pyplot does not know it.

    Raises:
        ShapeError: a heatmap does not have one map per component.
    """
    k = card.n_components
    for heatmap in card.heatmaps:
        if heatmap.maps.shape[0] != k:
            raise ShapeError(f"a heatmap has {heatmap.maps.shape[0]} maps, the card has {k} components")
    # The size of the sheet.
    cell = min(1.5, (RIGHT - 0.35 - LEFT) / (k + 1) - GAP)
    section = 0.74 + k * (ROW + GAP)
    height = 0.95 + section * len(card.rows) + (0.95 + (cell + GAP) * len(card.heatmaps) if card.heatmaps else 0.1)
    sheet = Sheet(WIDTH, height)

    # Header, selections, heatmaps.
    _header(sheet, card)
    y = 0.95
    for selection in card.rows:
        _selection(sheet, card, selection, y)
        y += section
    if card.heatmaps:
        _heatmaps(sheet, card, y, cell)
    return sheet.figure


def overlay(picture: np.ndarray, strength: np.ndarray, colour: str) -> np.ndarray:
    """Paint ``colour`` over a grey and lightened ``picture``; the greater the strength, the fuller the colour.

    Args:
        picture: ``[H, W, 3]`` uint8.
        strength: ``[h, w]`` in 0..1; enlarged bilinearly to ``[H, W]``.
        colour: any name that matplotlib knows.

    Returns:
        ``[H, W, 3]`` uint8.

    Example:
        >>> overlay(np.full((2, 2, 3), 100, np.uint8), np.ones((1, 1)), "#4477AA")[0, 0].tolist()
        [78, 121, 165]
    """
    side = (picture.shape[1], picture.shape[0])
    large = Image.fromarray(np.asarray(strength, np.float32)).resize(side, Image.Resampling.BILINEAR)
    alpha = 0.85 * np.clip(np.asarray(large), 0, 1)[..., None]
    grey = 60 + 0.75 * picture.astype(np.float32).mean(axis=2, keepdims=True)
    return np.round(grey * (1 - alpha) + 255 * alpha * np.array(to_rgb(colour))).astype(np.uint8)


def component_places(card: ClassCard) -> list[list[np.ndarray]]:
    """For each image of the card, the image and where each component is in it, the most important first.

    A component has one scale over the images, so that it looks absent from an image that it is absent from.
    """
    k = card.n_components
    highest = np.max([heatmap.maps.reshape(k, -1).max(axis=1) for heatmap in card.heatmaps], axis=0)
    views = []
    for heatmap in card.heatmaps:
        strengths = (
            (component, heatmap.maps[component] / max(float(highest[component]), 1e-12)) for component in card.order
        )
        painted = [overlay(heatmap.picture, strength, component_colour(component)) for component, strength in strengths]
        views.append([heatmap.picture, *painted])
    return views


def verdict_text(verdict: Verdict, class_name: str, limit: int = 26) -> str:
    """Two lines: what the model says, and the probability of the class.

    Example:
        >>> picture = np.zeros((2, 2, 3), np.uint8)
        >>> print(verdict_text(Verdict(picture, (), "golf ball", 0.934, True), "golf ball"))
        ✓ golf ball
        p(golf ball) = 0.93
    """
    mark = "✓" if verdict.match else "✗"
    return f"{mark} {short(verdict.predicted, limit)}\np({short(class_name, limit - 9)}) = {verdict.probability:.2f}"


def draw_combined(
    sheet: Sheet, verdict: Verdict, x: float, y: float, width: float, height: float, line: float = 4.0
) -> Box:
    """Draw the combined image in a frame that says whether the model agrees. Each patch has its component's colour."""
    left, top, w, h = sheet.picture(verdict.picture, x, y, width=width, height=height)
    inset = 0.012 * line / 4
    for component, (tile_top, tile_left, tile_h, tile_w) in enumerate(verdict.tiles):
        corner = (left + tile_left * w + inset, top + tile_top * h + inset)
        sheet.frame(*corner, tile_w * w - 2 * inset, tile_h * h - 2 * inset, component_colour(component), line / 3)
    pad = line / 144 + 0.012
    sheet.frame(
        left - pad,
        top - pad,
        width=w + 2 * pad,
        height=h + 2 * pad,
        colour=MATCH if verdict.match else MISMATCH,
        line=line,
    )
    return left, top, w, h


def _header(sheet: Sheet, card: ClassCard) -> None:
    sheet.text(short(card.class_name, 60), MARGIN, 0.2, size=18, weight="bold")
    images = f"{counted(card.n_images, 'images')} predicted as the class"
    facts = f"class {card.class_index}  ·  {images}  ·  {card.study}  ·  recipe: {card.recipe}"
    sheet.text(facts, MARGIN, 0.56, size=9, colour=FAINT)


def _selection(sheet: Sheet, card: ClassCard, selection: str, y: float) -> None:
    # Headings.
    rows = card.rows[selection]
    start = LEFT + SOURCE + CAPTION
    step = (RIGHT - 0.35 - start) / PATCHES_PER_ROW
    sheet.rule(y, MARGIN, WIDTH - MARGIN)
    sheet.text(HEADINGS.get(selection, selection), MARGIN, y + 0.1, size=11, weight="bold")
    sheet.text("best patch in its image; prediction", LEFT, y + 0.4, size=8, colour=FAINT)
    sheet.text(
        f"{PATCHES_PER_ROW} best patches (framed: the one that was combined)", start, y + 0.4, size=8, colour=FAINT
    )

    # A row for each component, the most important first; then the combined image.
    if any(facts.drop is not None for facts in card.facts):
        sheet.text("logit lost without it", MARGIN, y + 0.4, size=8, colour=FAINT)
    for place, component in enumerate(number for number in card.order if number < len(rows)):
        row = rows[component]
        top = y + 0.62 + place * (ROW + GAP)
        sheet.chip(component, MARGIN + 0.16, top + ROW / 2)
        _facts(sheet, card, component=component, top=top)
        _source(sheet, card, component=component, row=row, top=top)
        for rank, patch in enumerate(row.patches[:PATCHES_PER_ROW]):
            frame = component_colour(component) if rank == row.chosen else ""
            sheet.picture(patch, start + rank * step, top, width=step - GAP, height=ROW, frame=frame, line=3)
    if selection in card.verdicts:
        _verdict(sheet, card, verdict=card.verdicts[selection], y=y, n_rows=len(rows))


def _facts(sheet: Sheet, card: ClassCard, component: int, top: float) -> None:
    """How much a component matters, as a bar with its interval; and a mark if it does not come back."""
    if component >= len(card.facts):
        return
    facts = card.facts[component]
    left = MARGIN + 0.4
    middle = top + ROW / 2
    if facts.drop is not None:
        # One scale for the card: the longest interval fills the column. What lowers the logit has no bar.
        longest = max(max(other.high for other in card.facts), 1e-12)
        ends = [left + BAR * min(max(value / longest, 0.0), 1.0) for value in (facts.drop, facts.low, facts.high)]
        sheet.bar(left, middle, width=ends[0] - left, height=0.13, colour=component_colour(component))
        sheet.line(ends[1], ends[2], middle, INK)
        share = "" if facts.share is None else f" ({100 * facts.share:.0f} %)"
        sheet.text(f"{facts.drop:.1f}{share}", left, middle + 0.1, size=8)
    if facts.returns is False:
        sheet.text("not in other\nimages", left, middle - 0.1, size=8, colour=MISMATCH, weight="bold", va="bottom")


def _source(sheet: Sheet, card: ClassCard, component: int, row: PatchRow, top: float) -> None:
    x, y, w, h = sheet.picture(row.source, LEFT, top, width=SOURCE, height=ROW)
    scale_y = h / row.source.shape[0]
    scale_x = w / row.source.shape[1]
    box_top, box_left, box_h, box_w = row.box
    box = (x + box_left * scale_x, y + box_top * scale_y, box_w * scale_x, box_h * scale_y)
    sheet.frame(*box, "white", 3.5)
    sheet.frame(*box, component_colour(component), 2)
    name = textwrap.fill(short(row.predicted, 40), 15, max_lines=3, placeholder="…")
    weight = "bold" if row.predicted == card.class_name else "normal"
    words = sheet.text(name, LEFT + SOURCE + 0.1, top + ROW / 2 - 0.09, size=8, weight=weight, va="center")
    lines = words.get_text().count("\n") + 1
    below = top + ROW / 2 - 0.02 + 0.075 * lines
    sheet.text(f"p = {row.probability:.2f}", LEFT + SOURCE + 0.1, below, size=8, colour=FAINT)


def _verdict(sheet: Sheet, card: ClassCard, verdict: Verdict, y: float, n_rows: int) -> None:
    sheet.text("combined image; verdict of the model", RIGHT, y + 0.4, size=8, colour=FAINT)
    room = max(n_rows * (ROW + GAP) - GAP - 0.62, 0.8)
    width = COMBINED - 0.1
    height = min(room, width * verdict.picture.shape[0] / verdict.picture.shape[1])
    _, top, _, drawn = draw_combined(sheet, verdict, RIGHT + 0.05, y=y + 0.7, width=width, height=height)
    colour = MATCH if verdict.match else MISMATCH
    says, probability = verdict_text(verdict, card.class_name).split("\n")
    middle = RIGHT + COMBINED / 2
    bottom = top + drawn + 0.1
    sheet.text(says, middle, bottom, size=11, weight="bold", colour=colour, ha="center")
    sheet.text(probability, middle, bottom + 0.25, size=9, colour=INK, ha="center")


def _heatmaps(sheet: Sheet, card: ClassCard, y: float, cell: float) -> None:
    step = cell + GAP
    sheet.rule(y, MARGIN, WIDTH - MARGIN)
    sheet.text("Where each component is found in images of the class", MARGIN, y + 0.1, size=11, weight="bold")
    for place, component in enumerate(card.order):
        sheet.chip(component, LEFT + (place + 1) * step + cell / 2, y + 0.53)
    sheet.text(HEATMAP_NOTE, RIGHT, y + 0.75, size=8, colour=FAINT)
    for line, views in enumerate(component_places(card)):
        for place, view in enumerate(views):
            sheet.picture(view, LEFT + place * step, y + 0.75 + line * step, width=cell, height=cell)
