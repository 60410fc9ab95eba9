"""Fidelity of a study: what is left of its classes while components are taken out of their images, or put in."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, FIRST, SECOND, Sheet

MARGIN = 0.35
HEAD = 0.95
PANEL = 3.6
CHART = 2.3
ROW = CHART + 0.95
PANELS = (
    ("deletion", "taken out, the most important first", "share of components taken out"),
    ("insertion", "put in, the most important first", "share of components put in"),
)
RESTS = (
    ("left_out", FIRST, "components alone"),
    ("kept", SECOND, "with what belongs to no component"),
)
STYLES = (("none", "-"), ("random_order", ":"))


def draw_fidelity(curves: pd.DataFrame, title: str) -> Figure:
    """Curves of C-deletion and C-insertion, a row of two panels for each recipe; random orders are dotted.

    Args:
        curves: recipe, rest, baseline, curve, share, probability; means over images.
        title: heading.

    Returns:
        A figure of its own; without classes it says so.
    """
    recipes = list(dict.fromkeys(curves["recipe"]))
    sheet = Sheet(2 * MARGIN + 2 * (PANEL + 0.25), HEAD + ROW * max(len(recipes), 1))
    sheet.text(f"{title}: fidelity of components", MARGIN, 0.18, size=14, weight="bold")
    note = "mean probability of the class over images; dotted: components in random orders"
    sheet.text(note if recipes else "no class has components", MARGIN, 0.5, size=9, colour=FAINT)
    for line, recipe in enumerate(recipes):
        of_recipe = curves[curves["recipe"] == recipe]
        for place, (curve, heading, label) in enumerate(PANELS):
            axes = _panel(sheet, place, HEAD + 0.3 + line * ROW, heading=f"{recipe}: {heading}", label=label)
            _lines(axes, of_recipe[of_recipe["curve"] == curve])
            if not place:
                axes.legend(fontsize=9, frameon=False, loc="best")
    return sheet.figure


def _lines(axes: Axes, curves: pd.DataFrame) -> None:
    """The lines of one panel."""
    for rest, colour, name in RESTS:
        for baseline, style in STYLES:
            part = curves[(curves["rest"] == rest) & (curves["baseline"] == baseline)].sort_values("share")
            label = name if baseline == "none" else None
            axes.plot(part["share"], part["probability"], style, color=colour, label=label, linewidth=1.8)


def _panel(sheet: Sheet, place: int, y: float, heading: str, label: str) -> Axes:
    x = MARGIN + 0.25 + place * (PANEL + 0.25)
    axes = sheet.panel(x, y, width=PANEL - 0.3, height=CHART)
    axes.set_title(heading, fontsize=9, loc="left")
    axes.set_xlabel(label, fontsize=9)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    return axes
