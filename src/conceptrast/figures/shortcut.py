"""Which direction gives a planted shortcut away: areas under ROC curves, and the model's answers under attack."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.figures.canvas import FAINT, FIRST, INK, MATCH, MISMATCH, SECOND, Sheet

WIDTH = 11.0
LABELS = 3.1
CHART = 4.4
LINE = 0.25
HEAD = 1.45
COLOURS = {"component": FIRST, "cav": MATCH, "hyperplane": SECOND, "true": INK, "random": FAINT}
TITLES = {
    "component": "components",
    "cav": "concepts (ACE)",
    "hyperplane": "hyperplanes",
    "true": "true direction",
    "random": "random directions",
}


def draw_shortcut(table: pd.DataFrame) -> Figure:
    """A line for each direction, the best at the top; on the right the model's answers to clean and attacked pictures.

    Args:
        table: the rows of one study, with the columns of :func:`conceptrast.shortcut.attack.shortcut_columns`.
    """
    first = table.iloc[0]
    rows = table[table["kind"] != "model"].sort_values("auroc_pasted", ascending=False, kind="stable")
    sheet = Sheet(WIDTH, HEAD + LINE * len(rows) + 0.75)
    thing = first["concept"]
    title = f"{first['study']}: which direction gives the {thing} in {short(first['planted'])} away?"
    sheet.text(title, 0.3, 0.16, size=15, weight="bold")
    note = f"ranks pictures with the {thing} before those without it: area under the ROC curve; 0.5 is chance"
    sheet.text(note, 0.3, 0.52, size=9, colour=FAINT)
    for number, (kind, title) in enumerate(TITLES.items()):
        sheet.text(f"● {title}", 0.3 + 1.75 * number, 0.78, size=10, colour=COLOURS[kind], weight="bold")
    key = "● the same pictures with and without it     ○ pictures as they are, where it goes with the class"
    sheet.text(key, 0.3, 1.04, size=9, colour=FAINT)
    # A line for each direction.
    axes = sheet.panel(LABELS, HEAD, width=CHART, height=LINE * len(rows))
    for place, row in enumerate(rows.to_dict("records")):
        colour = COLOURS[row["kind"]]
        ends = [row["auroc_pasted_low"], row["auroc_pasted_high"]]
        axes.plot(ends, [place, place], color=colour, linewidth=1.6)
        axes.plot(row["auroc_pasted"], place, "o", color=colour, markersize=6)
        axes.plot(row["auroc"], place, "o", markerfacecolor="white", markeredgecolor=colour, markersize=6, zorder=1)
        y = HEAD + LINE * (place + 0.5)
        sheet.text(short(str(row["name"]), 34), LABELS - 0.15, y, size=9, colour=colour, ha="right", va="center")
        sheet.text(f"{row['cosine']:+.2f}", LABELS + CHART + 0.45, y, size=9, colour=colour, ha="right", va="center")
    sheet.text("cosine", LABELS + CHART + 0.45, HEAD - 0.2, size=9, colour=FAINT, ha="right")
    axes.axvline(0.5, color="#BBBBBB", linewidth=0.8, zorder=0)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5), yticks=[], xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel("area under the ROC curve", fontsize=9)
    axes.spines["left"].set_visible(False)
    model = table[table["kind"] == "model"].to_dict("records")
    _attack(sheet, [{str(name): value for name, value in row.items()} for row in model], LABELS + CHART + 0.85)
    return sheet.figure


def _attack(sheet: Sheet, rows: list[dict[str, Any]], left: float) -> None:
    """What the model says of clean and of attacked pictures."""
    clean = rows[0]
    head = f"the model on {clean['n_images']} pictures of\n{short(clean['attacked'])} without the {clean['concept']}"
    sheet.text(head, left, HEAD, size=10, weight="bold")
    y = HEAD + 0.5
    for row in rows:
        words = "as they are" if row["name"] == "clean" else f"{row['concept']} pasted in"
        sheet.text(words, left, y, size=10)
        sheet.text(f"right: {row['accuracy']:.0%}", left + 0.1, y + 0.22, size=10, colour=MATCH)
        named = f"named {short(row['planted'])}: {row['named_planted']:.0%}"
        sheet.text(named, left + 0.1, y + 0.44, size=10, colour=MISMATCH)
        y += 0.78
