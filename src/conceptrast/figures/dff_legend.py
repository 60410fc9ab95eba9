"""The legend of Deep Feature Factorization: which classes a concept speaks for, and what blurring it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from conceptrast.base.names import short
from conceptrast.figures.canvas import Sheet

MOST_PER_LINE = 5  # concepts side by side
LEAST_DROP = 0.005  # of a probability: it rounds to nothing below, and which class falls most means nothing
LETTERS = 8.5  # points
CLASS_LETTERS = 18  # of a class name, with its score behind it
BLUR_LETTERS = 12  # of a class name, with "blur" before it and the change behind it: as long a line
TEXT_WIDTH = 1.7  # of an entry, with the space beside it
COLUMN = TEXT_WIDTH + 0.32  # least width of a chip with its lines
LINE = 0.152  # height of a line of text
LINES = 4  # of an entry
TEXT = LINES * LINE + 0.14  # height of an entry with the space above and below it


@dataclass(frozen=True)
class LegendEntry:
    """One concept in the legend: which classes it speaks for, what blurring it changes, and what chance changes."""

    classes: Sequence[str]
    blur: str
    chance: str = ""

    def text(self, wide: bool = False) -> str:
        """The entry in four lines, or in two where there is room."""
        if wide:
            return "\n".join([", ".join(self.classes), ", ".join(filter(None, [self.blur, self.chance]))])
        return "\n".join([*self.classes, self.blur, self.chance])


class LegendGrid(NamedTuple):
    """How the entries of a row are laid out: entries a line, lines, width and height of an entry, side of its heatmap.

    Where the entries are ``wide``, their text stands beside the heatmap, or in two lines.
    """

    per_line: int
    lines: int
    width: float
    height: float
    heatmap: float
    wide: bool


def legend_entry(rows: pd.DataFrame) -> LegendEntry:
    """What the legend says of one concept, from its rows: one for each rank."""
    ranks = rows.to_dict("records")
    first = ranks[0]
    way = "suffix" if pd.notna(first.get("suffix_class")) else "blur"  # a layer with a class token has no suffix
    named = [row for row in ranks if pd.notna(row.get(f"{way}_class"))]
    classes = [f"{short(row[f'{way}_class'], CLASS_LETTERS)} {row[f'{way}_score']:.2f}" for row in named]
    if first["status"] != "ok":
        return LegendEntry(classes, blur="no region to blur")
    drop, chance = (signed(-first[name]) for name in ("blur_score", "blur_chance"))
    if abs(first["blur_score"]) >= LEAST_DROP:
        of_class = short(first["blur_class"], BLUR_LETTERS)
        return LegendEntry(classes, blur=f"blur: {of_class} {drop}", chance=f"at random {chance}")
    changes_elsewhere = abs(first["blur_chance"]) >= LEAST_DROP
    return LegendEntry(classes, blur="blur: changes nothing", chance=f"at random {chance}" if changes_elsewhere else "")


def signed(change: float) -> str:
    """A change of probability with a sign that can be read; no sign where it rounds to nothing.

    Example:
        >>> signed(-0.25), signed(0.25), signed(-0.001)
        ('−0.25', '+0.25', '0.00')
    """
    text = f"{change:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


def heatmap_grid(n_concepts: int, width: float, side: float) -> LegendGrid:
    """Lay out the heatmaps of one picture with their entries.

    Few concepts have large heatmaps, with the text beside them; more have it below.

    Args:
        n_concepts: how many there are.
        width: width of all of them, in inches.
        side: largest side of a heatmap.

    Example:
        >>> heatmap_grid(2, width=8.0, side=2.0).heatmap, heatmap_grid(10, width=8.0, side=2.0).lines
        (2.0, 2)
    """
    per_line, lines = _evenly(n_concepts, MOST_PER_LINE)
    column = width / per_line
    wide = column >= side + TEXT_WIDTH + 0.1
    heatmap = min(side, column - 0.12)
    return LegendGrid(
        per_line=per_line,
        lines=lines,
        width=column,
        height=heatmap + (0.1 if wide else TEXT),
        heatmap=heatmap,
        wide=wide,
    )


def chip_grid(n_concepts: int, width: float) -> LegendGrid:
    """Lay out the entries of shared concepts, in the ``width`` that all of them have.

    Example:
        >>> chip_grid(2, width=10.5).wide, chip_grid(10, width=10.5).lines, chip_grid(10, width=4.5).lines
        (True, 2, 5)
    """
    per_line, lines = _evenly(n_concepts, min(MOST_PER_LINE, max(1, int(width / COLUMN))))
    column = width / per_line
    wide = column >= 2 * COLUMN
    return LegendGrid(
        per_line=per_line,
        lines=lines,
        width=column,
        height=TEXT - (2 * LINE if wide else 0),
        heatmap=0.0,
        wide=wide,
    )


def draw_heatmaps(
    sheet: Sheet,
    heatmaps: Sequence[np.ndarray],
    entries: Sequence[LegendEntry],
    grid: LegendGrid,
    at: tuple[float, float],
) -> None:
    """Every concept of one picture by itself, with its entry; the top left corner is ``at`` (x, y)."""
    for number, (heatmap, entry) in enumerate(zip(heatmaps, entries, strict=True)):
        x, y = _place(number, grid, at)
        sheet.picture(heatmap, x=x, y=y, width=grid.heatmap, height=grid.heatmap)
        sheet.chip(number, x + grid.heatmap - 0.15, y + 0.15, radius=0.12)
        if grid.wide:
            sheet.text(entry.text(), x + grid.heatmap + 0.1, y, size=LETTERS)
        else:
            sheet.text(entry.text(), x, y + grid.heatmap + 0.05, size=LETTERS)


def draw_chips(sheet: Sheet, entries: Sequence[LegendEntry], grid: LegendGrid, at: tuple[float, float]) -> None:
    """The entries of shared concepts, each beside its chip; the top left corner is ``at`` (x, y)."""
    for number, entry in enumerate(entries):
        x, y = _place(number, grid, at)
        sheet.chip(number, x + 0.13, y + 0.15, radius=0.12)
        sheet.text(entry.text(grid.wide), x + 0.32, y, size=LETTERS)


def _evenly(count: int, most: int) -> tuple[int, int]:
    """How many stand in a line, and the number of lines: as few lines as possible, of nearly equal length."""
    lines = -(-count // most)
    return -(-count // lines), lines


def _place(number: int, grid: LegendGrid, at: tuple[float, float]) -> tuple[float, float]:
    line, column = divmod(number, grid.per_line)
    return at[0] + column * grid.width, at[1] + line * grid.height
