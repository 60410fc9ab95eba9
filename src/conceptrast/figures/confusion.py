"""The confusion table as a picture: label by prediction, with counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.base.statistics import wilson_interval
from conceptrast.figures.canvas import FAINT, INK, MATCH, MISMATCH, Sheet
from conceptrast.models.confusion import right_of

LIMIT = 30
"""The largest number of classes shown: the classes that are most often wrong."""

MARGIN = 0.35
CELL = 0.46
NAMES = 1.25
HEAD = 1.0
RIGHT = 1.35
LEAST = 6.2
ROTATED = 3  # characters above which the names of columns stand upright


def draw_confusion(rows: pd.DataFrame, title: str, of: str, limit: int = LIMIT) -> Figure:
    """Counts of every label and prediction; accuracy with its interval in the header.

    Right predictions are green, by their share of the label's pictures. Wrong ones are orange; the largest share among
    them is the darkest.

    Args:
        rows: as :func:`conceptrast.models.confusion.confusion` gives; not empty.
        title: the model.
        of: what the pictures are, for the header.
        limit: how many classes are shown at most; a note says how many there are.

    Returns:
        A figure of its own.
    """
    # What is on the sheet, and how large it is.
    names = _names(rows)
    classes = _classes(rows, limit)
    side = len(classes) * CELL
    upright = any(len(_label(names[label])) > ROTATED for label in classes)
    top = HEAD + (NAMES if upright else 0.25)
    sheet = Sheet(max(MARGIN + NAMES + side + RIGHT, LEAST), top + side + 0.65)

    # Header, names and counts.
    _header(sheet, rows, title, of)
    left = MARGIN + NAMES
    sheet.text("predicted", left + side / 2, HEAD - 0.06, size=9, weight="bold", ha="center", va="bottom")
    sheet.text("label", left - 0.1, top - 0.08, size=9, weight="bold", ha="right", va="bottom")
    for place, label in enumerate(classes):
        name = _label(names[label])
        middle = (place + 0.5) * CELL
        sheet.text(name, left - 0.1, top + middle, size=9, ha="right", va="center")
        above = sheet.text(name, left + middle, top - 0.08, size=9, ha="center", va="bottom")
        above.set_rotation(90 if upright else 0)
        _share_right(sheet, rows[rows["label"] == label], left + side + 0.12, top + middle)
    _cells(sheet, rows, places={label: place for place, label in enumerate(classes)}, left=left, top=top)
    sheet.frame(left, top, width=side, height=side, colour=FAINT, line=0.8)
    note = "green: right; orange: wrong, darker for a larger share of the label's pictures"
    if len(classes) < len(names):
        note = f"the {len(classes)} of {len(names)} classes with the lowest share right; {note}"
    sheet.text(note, MARGIN, top + side + 0.18, size=8, colour=FAINT)
    return sheet.figure


def _header(sheet: Sheet, rows: pd.DataFrame, title: str, of: str) -> None:
    right, n = right_of(rows)
    low, high = wilson_interval(right, n)
    sheet.text(short(title, 40), MARGIN, 0.16, size=15, weight="bold")
    accuracy = f"accuracy {100 * right / n:.1f} % ({100 * low:.1f} to {100 * high:.1f} %): {right} of {n} {of}"
    sheet.text(accuracy, MARGIN, 0.5, size=9, colour=FAINT)


def _cells(sheet: Sheet, rows: pd.DataFrame, places: Mapping[int, int], left: float, top: float) -> None:
    """Every pair that occurs: its cell and its count."""
    cells = rows[rows["label"].isin(places) & rows["predicted"].isin(places)]
    most = cells.loc[cells["label"] != cells["predicted"], "share"].max()
    for label, predicted, n, share in cells[["label", "predicted", "n", "share"]].itertuples(index=False, name=None):
        x = left + places[predicted] * CELL
        y = top + (places[label] + 0.5) * CELL
        right = label == predicted
        strength = share if right else share / most
        sheet.bar(x, y, width=CELL, height=CELL, colour=_tint(MATCH if right else MISMATCH, 0.85 * strength))
        ink = "white" if strength > 0.6 else INK
        sheet.text(str(n), x + CELL / 2, y, size=8, colour=ink, ha="center", va="center")


def _share_right(sheet: Sheet, rows: pd.DataFrame, x: float, y: float) -> None:
    """How many of a label's pictures are predicted as it."""
    right, n = right_of(rows)
    share = f"{100 * right / n:.0f} % of {n}" if n else "no picture"
    sheet.text(share, x, y, size=8, colour=FAINT, va="center")


def _names(rows: pd.DataFrame) -> dict[int, str]:
    """Names of all classes that occur, by index; a label's own name stands before that of the output."""
    outputs = dict(zip(rows["predicted"].tolist(), rows["predicted_name"].tolist(), strict=True))
    return outputs | dict(zip(rows["label"].tolist(), rows["label_name"].tolist(), strict=True))


def _classes(rows: pd.DataFrame, limit: int) -> list[int]:
    """All classes by index, or the labels with the lowest shares of right predictions."""
    everything = sorted(_names(rows))
    if len(everything) <= limit:
        return everything
    right = rows[rows["label"] == rows["predicted"]].set_index("label")["share"]
    worst = right.reindex(np.sort(rows["label"].unique()), fill_value=0.0).sort_values(kind="stable")
    return sorted(int(label) for label in worst.index[:limit])


def _label(name: str) -> str:
    return short(name, 14)


def _tint(colour: str, strength: float) -> str:
    """White mixed with a share of a colour."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))
