"""Why A and not B, at a glance: the concepts for each class, their places, and the effect of a shift."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from conceptrast.base.names import short
from conceptrast.base.progress import counted
from conceptrast.contrast.cards import IMAGES_PER_SIDE, PATCHES_PER_ROW, ContrastCard, Side
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION
from conceptrast.figures.canvas import FAINT, FIRST, INK, SECOND, Sheet, component_colour
from conceptrast.figures.contrast_curves import at_the_end, offset_ticks

WIDTH = 14.0
MARGIN = 0.35
GUTTER = 0.4
GAP = 0.06
COLUMN = (WIDTH - 2 * MARGIN - GUTTER) / 2
BAR = 0.95
PATCH = (COLUMN - 0.4 - BAR) / PATCHES_PER_ROW - GAP
PICTURE = COLUMN / (2 * IMAGES_PER_SIDE) - GAP
CURVE = 1.7
COLOURS = {"for": FIRST, "against": SECOND}
"""Blue for A and orange for B, everywhere in the figures of contrasts."""


def draw_contrast_card(card: ContrastCard) -> Figure:
    """Draw the contrast of two classes: A on the left, B on the right.

    Args:
        card: what to show.

    Returns:
        A new figure, 14 inches wide; pyplot does not know it.
    """
    rows = max(len(side.patches) for side in card.sides.values())
    parts = (0.95, 0.72 + rows * (PATCH + GAP), 0.72 + PICTURE, 0.7 + CURVE + 0.5)
    sheet = Sheet(WIDTH, sum(parts))
    _header(sheet, card)
    for name, x in zip(card.sides, (MARGIN, MARGIN + COLUMN + GUTTER), strict=True):
        side = card.sides[name]
        (other,) = (card.sides[key].class_name for key in card.sides if key != name)
        y = parts[0]
        _components(sheet, side, other=other, colour=COLOURS[name], x=x, y=y)
        y += parts[1]
        _places(sheet, side, name=name, x=x, y=y)
        y += parts[2]
        _curve(sheet, side, other=other, name=name, x=x, y=y)
    return sheet.figure


def two_sided(picture: np.ndarray, distances: np.ndarray, near: str, far: str, scale: float) -> np.ndarray:
    """Paint a grey and lightened picture: one colour for places on a class's side, another for the rest.

    Args:
        picture: ``[H, W, 3]`` uint8.
        distances: ``[h, w]``, positive on the class's side; enlarged bilinearly to ``[H, W]``.
        near: colour of the class's side.
        far: colour of the other side.
        scale: distance at full colour.

    Returns:
        ``[H, W, 3]`` uint8.

    Example:
        >>> picture = np.full((1, 2, 3), 100, np.uint8)
        >>> two_sided(picture, np.array([[1.0, -1.0]]), "#0000FF", "#FF0000", scale=1.0)[0].tolist()
        [[20, 20, 237], [237, 20, 20]]
    """
    size = (picture.shape[1], picture.shape[0])
    large = Image.fromarray(np.asarray(distances, np.float32)).resize(size, Image.Resampling.BILINEAR)
    strength = np.clip(np.asarray(large) / max(scale, 1e-12), -1, 1)[..., None]
    colour = np.where(strength > 0, np.array(to_rgb(near)), np.array(to_rgb(far)))
    grey = 60 + 0.75 * picture.astype(np.float32).mean(axis=2, keepdims=True)
    alpha = 0.85 * np.abs(strength)
    return np.round(grey * (1 - alpha) + 255 * alpha * colour).astype(np.uint8)


def side_places(side: Side, name: str) -> list[np.ndarray]:
    """Each picture of a side, and the picture with both sides of the hyperplane painted over it; one scale for all."""
    far = next(colour for key, colour in COLOURS.items() if key != name)
    scale = max((float(np.abs(distances).max()) for distances in side.distances), default=0.0)
    return [
        view
        for picture, distances in zip(side.pictures, side.distances, strict=True)
        for view in (picture, two_sided(picture, distances, near=COLOURS[name], far=far, scale=scale))
    ]


def _header(sheet: Sheet, card: ContrastCard) -> None:
    first, second = (short(side.class_name, 40) for side in card.sides.values())
    sheet.text(f"Why {first}, and why not {second}?", MARGIN, 0.2, size=18, weight="bold")
    sheet.text(f"{card.study}  ·  {card.facts}", MARGIN, 0.58, size=9, colour=FAINT)


def _components(sheet: Sheet, side: Side, other: str, colour: str, x: float, y: float) -> None:
    sheet.rule(y, x, x + COLUMN)
    heading = f"What speaks for {short(side.class_name, 22)} and against {short(other, 22)}"
    sheet.text(heading, x, y + 0.1, size=11, weight="bold", colour=colour)
    images = counted(side.n_images, "images")
    note = f"{images}; components by their share of the activation on this side; nearest patches"
    sheet.text(note, x, y + 0.38, size=8, colour=FAINT)
    for component, (share, patches) in enumerate(zip(side.strength, side.patches, strict=True)):
        top = y + 0.62 + component * (PATCH + GAP)
        sheet.chip(component, x + 0.16, top + PATCH / 2)
        width = (BAR - 0.15) * float(share) / max(float(side.strength.max()), 1e-12)
        sheet.bar(x + 0.4, top + PATCH / 2, width=width, height=0.12, colour=component_colour(component))
        sheet.text(f"{100 * share:.0f} %", x + 0.4, top + PATCH / 2 - 0.18, size=8)
        for rank, patch in enumerate(patches[:PATCHES_PER_ROW]):
            sheet.picture(patch, x + 0.4 + BAR + rank * (PATCH + GAP), top, width=PATCH, height=PATCH)


def _places(sheet: Sheet, side: Side, name: str, x: float, y: float) -> None:
    sheet.rule(y, x, x + COLUMN)
    sheet.text(f"Where, in images of {short(side.class_name, 22)}", x, y + 0.1, size=11, weight="bold")
    sheet.text(
        "blue: the left class's side of the hyperplane, orange: the right one's", x, y + 0.38, size=8, colour=FAINT
    )
    for place, view in enumerate(side_places(side, name)):
        sheet.picture(view, x + place * (PICTURE + GAP), y + 0.6, width=PICTURE, height=PICTURE)


def _curve(sheet: Sheet, side: Side, other: str, name: str, x: float, y: float) -> None:
    sheet.rule(y, x, x + COLUMN)
    title = f"Images of {short(side.class_name, 18)} shifted towards {short(other, 18)}"
    sheet.text(title, x, y + 0.1, size=11, weight="bold")
    offsets = list(dict.fromkeys(side.curve["offset"]))
    places = np.arcsinh(offsets)
    axes = sheet.probability_axes(
        x + 0.45, y + 0.65, width=COLUMN - 0.6, height=CURVE, ticks=offset_ticks(offsets), at=places.tolist()
    )
    colours = {"p_own": COLOURS[name], "p_other": next(c for key, c in COLOURS.items() if key != name)}
    names = {"p_own": side.class_name, "p_other": other}
    for baseline, style in (("none", "-"), (RANDOM_DIRECTION, ":")):
        part = side.curve[side.curve["baseline"] == baseline]
        for column, colour in colours.items():
            label = f"p({short(names[column], 16)})" if baseline == "none" else None
            axes.plot(places, part[column], style, color=colour, linewidth=1.8, label=label)
    axes.plot([], [], ":", color=FAINT, label="random direction")
    end = at_the_end(side.curve.rename(columns={"p_other": "p_to"})).replace("p(B)", f"p({short(other, 16)})")
    axes.set_xlabel(f"offset, in multiples of the normal (asinh); {end}", fontsize=8, color=INK)
    # Above the curves: they may start anywhere.
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1)
