"""The legend of Deep Feature Factorization: which classes a concept speaks for, and what blurring it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from conceptrast.base.names import short
from conceptrast.figures.canvas import Sheet

PER_LINE = 5  # concepts side by side
LEAST_DROP = 0.005  # of a probability: it rounds to nothing below, and which class falls most means nothing
BATCH_LINE = 0.47  # height of a line under a batch of pictures
SINGLE_ROW = 2.45  # height of a row of one picture, which is also the side of the picture


@dataclass(frozen=True)
class LegendEntry:
    """One concept in the legend: which classes it speaks for, what blurring it changes, and what chance changes."""

    classes: Sequence[str]
    blur: str
    chance: str = ""


class _Cell(NamedTuple):
    """Height of a line beside one picture, side of the heatmaps in it, and size of its letters."""

    height: float
    heatmap: float
    letters: float


def legend_entry(rows: pd.DataFrame, limit: int) -> LegendEntry:
    """What the legend says of one concept.

    Args:
        rows: the rows of the concept, one for each rank.
        limit: letters of a class that fit in.
    """
    ranks = rows.to_dict("records")
    first = ranks[0]
    way = "suffix" if pd.notna(first.get("suffix_class")) else "blur"  # a layer with a class token has no suffix
    named = [row for row in ranks if pd.notna(row.get(f"{way}_class"))]
    classes = [f"{short(row[f'{way}_class'], limit)} {row[f'{way}_score']:.2f}" for row in named]
    if first["status"] != "ok":
        return LegendEntry(classes, blur="no region to blur")
    if abs(first["blur_score"]) < LEAST_DROP:
        return LegendEntry(classes, blur="blur: changes nothing")
    drop, chance = (signed(-first[name]) for name in ("blur_score", "blur_chance"))
    return LegendEntry(
        classes,
        blur=f"blur: {short(first['blur_class'], 15)} {drop}",
        chance=f"at random {chance}",
    )


def signed(change: float) -> str:
    """A change of probability with a sign that can be read; no sign where it rounds to nothing.

    Example:
        >>> signed(-0.25), signed(0.25), signed(-0.001)
        ('−0.25', '+0.25', '0.00')
    """
    text = f"{change:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


def single_legend_height(n_concepts: int) -> float:
    """Height of the legend beside one picture."""
    lines = _lines(n_concepts)
    return lines * _cell(lines).height


def batch_legend_height(n_concepts: int) -> float:
    """Height of the legend under a batch of pictures."""
    return _lines(n_concepts) * BATCH_LINE


def draw_single_legend(
    sheet: Sheet, heatmaps: Sequence[np.ndarray], entries: Sequence[LegendEntry], left: float, y: float, width: float
) -> None:
    """Every concept of one picture by itself, with its entry below; ``width`` is that of a column."""
    cell = _cell(_lines(len(entries)))
    for number, (heatmap, entry) in enumerate(zip(heatmaps, entries, strict=True)):
        x = left + number % PER_LINE * width
        top = y + number // PER_LINE * cell.height
        sheet.picture(heatmap, x=x, y=top, width=cell.heatmap, height=cell.heatmap)
        sheet.chip(number, x + cell.heatmap + (-0.13 if cell.heatmap > 1 else 0.15), top + 0.13, radius=0.11)
        lines = [*entry.classes, entry.blur, entry.chance]
        sheet.text("\n".join(lines), x, top + cell.heatmap + 0.05, size=cell.letters)


def draw_batch_legend(sheet: Sheet, entries: Sequence[LegendEntry], left: float, y: float, width: float) -> None:
    """The entries of the concepts of a batch, each beside its chip; ``width`` is that of a column."""
    for number, entry in enumerate(entries):
        x = left + number % PER_LINE * width
        top = y + number // PER_LINE * BATCH_LINE
        sheet.chip(number, x + 0.12, top + 0.14, radius=0.12)
        sheet.text("\n".join([", ".join(entry.classes), entry.blur, entry.chance]), x + 0.3, top, size=7)


def _lines(n_concepts: int) -> int:
    return -(-n_concepts // PER_LINE)


def _cell(lines: int) -> _Cell:
    if lines == 1:
        return _Cell(height=SINGLE_ROW, heatmap=1.45, letters=7.5)
    return _Cell(height=SINGLE_ROW / 2 + 0.03, heatmap=0.64, letters=6.5)
