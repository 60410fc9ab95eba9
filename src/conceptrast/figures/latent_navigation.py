"""Pictures along the most discriminant direction of a latent space, one a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.bias.navigation import PER_STEP, STEPS, Navigation, NetworkSteps
from conceptrast.figures.canvas import FAINT, FIRST, SECOND, Sheet
from conceptrast.figures.latent_bias import COLOURS, TITLES, TURNED

CELL = 0.98
LABELS = 1.95
PITCH = CELL + 0.06
TOP = 1.2
ANGLES = 0.24


def draw_navigation(navigation: Navigation, bias: str) -> Figure:
    """Ten steps along the direction: decoded pictures of the autoencoder, nearest real pictures of both networks.

    The autoencoder decodes two codes at each position: the code on the straight line from the middle, and the typical
    code. Below them stands the angle that the regressor reads off each, and below real pictures how far they are
    turned. The last row of the autoencoder reconstructs the first of its nearest real pictures.

    Args:
        navigation: pictures at the steps of both networks.
        bias: its name.
    """
    # The header.
    width = LABELS + STEPS * PITCH + 0.25
    sheet = Sheet(width, TOP + (3 + 2 * PER_STEP) * PITCH + 4 * ANGLES + 1.0)
    title = f"{bias}, {navigation.condition}: along the direction from the mean of class 1 to that of class 2"
    sheet.text(title, 0.3, 0.18, size=15, weight="bold")
    note = (
        "from the 1st to the 99th percentile of the validation pictures, which are turned by any angle here; "
        "frames have the colour of the class"
    )
    sheet.text(note, 0.3, 0.54, size=9, colour=FAINT)
    _ends(sheet, navigation.class_names, navigation.condition, width)

    # The rows of each network, and its positions.
    y = TOP
    for network, steps in navigation.networks.items():
        if steps.decoded is not None:
            y = _strip(sheet, "autoencoder:\ndecoded along\nthe direction", steps.decoded.straight, y)
            y = _angles(sheet, "read off them", steps.decoded.straight_angles, y)
            y = _strip(sheet, "decoded: typical\ncode there", steps.decoded.typical, y)
            y = _angles(sheet, "read off them", steps.decoded.typical_angles, y)
        y = _nearest(sheet, TITLES[network].split()[-1], steps, y)
        y = _angles(sheet, "turned by, mean", steps.rotations.mean(axis=1), y)
        if steps.decoded is not None:
            y = _strip(sheet, "first row of these,\nreconstructed", steps.decoded.reconstructed, y)
        for step, position in enumerate(steps.positions):
            x = LABELS + step * PITCH + CELL / 2
            sheet.text(f"{position:+.2g}", x, y, size=8, colour=FAINT, ha="center")
        sheet.text("position", LABELS - 0.15, y, size=8, colour=FAINT, ha="right")
        y += 0.45
    return sheet.figure


def _angles(sheet: Sheet, label: str, angles: np.ndarray, y: float) -> float:
    """A row of angles, one a step; returns where the next row starts."""
    sheet.text(label, LABELS - 0.15, y, size=8, ha="right")
    for step, angle in enumerate(angles):
        sheet.text(f"{angle:.0f}°", LABELS + step * PITCH + CELL / 2, y, size=9, weight="bold", ha="center")
    return y + ANGLES


def _ends(sheet: Sheet, names: Sequence[str], condition: str, width: float) -> None:
    """What lies on the left and on the right."""
    first, second = (f"{short(name, 16)}, {turned}" for name, turned in zip(names, TURNED[condition], strict=True))
    sheet.text(f"← {first}", LABELS, 0.86, size=10, colour=FIRST, weight="bold")
    sheet.text(f"{second} →", width - 0.3, 0.86, size=10, colour=SECOND, weight="bold", ha="right")


def _strip(sheet: Sheet, label: str, pictures: np.ndarray, y: float) -> float:
    """A row of pictures, one a step; returns where the next row starts."""
    sheet.text(label, LABELS - 0.15, y + CELL / 2, size=9, ha="right", va="center")
    for step, picture in enumerate(pictures):
        sheet.picture(picture, x=LABELS + step * PITCH, y=y, width=CELL, height=CELL)
    return y + PITCH


def _nearest(sheet: Sheet, network: str, steps: NetworkSteps, y: float) -> float:
    """Real pictures at the steps; returns where the next row starts."""
    # The name of the row.
    per_step = steps.labels.shape[1]
    label = f"{network}:\nnearest real\npictures"
    sheet.text(label, LABELS - 0.15, y + per_step * PITCH / 2, size=9, ha="right", va="center")
    # A column for each step.
    for step, (pictures, labels) in enumerate(zip(steps.nearest, steps.labels, strict=True)):
        for place, (picture, true) in enumerate(zip(pictures, labels, strict=True)):
            x = LABELS + step * PITCH
            top = y + place * PITCH
            sheet.picture(
                picture,
                x=x + 0.03,
                y=top + 0.03,
                width=CELL - 0.06,
                height=CELL - 0.06,
                frame=COLOURS[true],
                line=1.8,
            )
    return y + per_step * PITCH
