"""One bar for each component of a class, with its interval and a mark for chance."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, INK, Sheet, component_colour

WIDTH = 7.0
MARGIN = 0.35
HEAD = 0.95
ROW = 0.34


def draw_component_bars(rows: pd.DataFrame, title: str, note: str, label: str) -> Figure:
    """Draw the bars, in the order of the rows.

    Args:
        rows: component, value, low, high, chance (a tick; none where the cell is empty), words (beside the bar).
        title: heading.
        note: line below it.
        label: what the bars measure.

    Returns:
        A figure of its own.
    """
    sheet = Sheet(WIDTH, HEAD + ROW * max(len(rows), 1) + 0.6)
    sheet.text(title, MARGIN, 0.18, size=14, weight="bold")
    sheet.text(note, MARGIN, 0.5, size=9, colour=FAINT)
    height = ROW * max(len(rows), 1)
    axes = sheet.panel(0.9, HEAD, width=WIDTH - 0.9 - 1.9, height=height)
    for place, row in enumerate(rows.to_dict("records")):
        component = int(row["component"])
        axes.barh(place, row["value"], height=0.6, color=component_colour(component))
        axes.plot([row["low"], row["high"]], [place, place], color=INK, linewidth=1.2)
        if pd.notna(row["chance"]):
            axes.plot([row["chance"]] * 2, [place - 0.36, place + 0.36], color=INK, linestyle=":", linewidth=1.8)
        sheet.text(str(row["words"]), WIDTH - 1.8, HEAD + (place + 0.5) * ROW, size=8, va="center")
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), _names(rows["component"].tolist()))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel(label, fontsize=9)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    return sheet.figure


def _names(components: Sequence[int]) -> list[str]:
    return [f"{component + 1}" for component in components]
