"""The insertion test as a picture: examples under every condition, and the change of both probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.contrast.cards import InsertionExample
from conceptrast.contrast.insertion import CONDITIONS, CONTROLS
from conceptrast.figures.canvas import FAINT, FIRST, SECOND, Sheet

WIDTH = 13.7
MARGIN = 0.35
CELL = 1.1
GAP = 0.06
ROW = 2.0
HEAD = 1.0
CHART = 3.1
TITLES = {"none": "as it is", "crop": "with the crop", "zeros": "zeros", "shuffled": "crop, shuffled"}


def draw_insertion(
    summary: pd.DataFrame,
    examples: Mapping[tuple[int, ...], Sequence[InsertionExample]],
    names: Sequence[str],
    title: str,
) -> Figure:
    """For each pair the mean change of both probabilities with its interval, and two images under every condition.

    Args:
        summary: as :func:`conceptrast.contrast.insertion.insertion_summary` gives.
        examples: the examples by pair; or by pair and component, where the crops are patches of components.
        names: the names of the classes.
        title: name of the test.

    Returns:
        A figure of its own; without pairs it says so.
    """
    sheet = Sheet(WIDTH, HEAD + ROW * max(len(examples), 1) + 0.1)
    sheet.text(f"insertion test: {title}", MARGIN, 0.18, size=16, weight="bold")
    note = "pasted into images that the model names B: those with the median and the largest change of p(A)"
    sheet.text(note if examples else "no class has images to paste into", MARGIN, 0.52, size=9, colour=FAINT)

    # A row for each pair: the changes in words, then its images.
    for place, ((first, second, *component), of_pair) in enumerate(examples.items()):
        y = HEAD + place * ROW
        part = summary[(summary["first"] == first) & (summary["second"] == second)]
        part = part[part["component"] == component[0]] if component else part
        row_of = {str(row["condition"]): {str(k): v for k, v in row.items()} for row in part.to_dict("records")}
        sheet.rule(y - 0.12, MARGIN, WIDTH - MARGIN)
        title_of_row = f"A = {short(names[first])}, B = {short(names[second])}"
        title_of_row += f", component {component[0] + 1}" if component else ""
        sheet.text(title_of_row, MARGIN, y - 0.06, size=10, weight="bold")
        _changes(sheet, row_of, y + 0.2)
        for number, example in enumerate(of_pair):
            left = MARGIN + CHART + 0.35 + number * (4 * (CELL + GAP) + 0.25)
            for column, condition in enumerate(CONDITIONS):
                x = left + column * (CELL + GAP)
                sheet.text(TITLES[condition], x, y - 0.03, size=9, colour=FAINT)
                sheet.picture(example.pictures[condition], x, y + 0.16, width=CELL, height=CELL)
                p_first, p_second = example.probabilities[condition]
                sheet.text(f"p(A) {p_first:.3f}", x, y + 0.2 + CELL, size=9, colour=FIRST)
                sheet.text(f"p(B) {p_second:.3f}", x, y + 0.36 + CELL, size=9, colour=SECOND)
    return sheet.figure


def _changes(sheet: Sheet, row_of: Mapping[str, Mapping[str, float]], y: float) -> None:
    """Mean changes of p(A) with their intervals, and the effect beyond the controls, in words."""
    before = row_of["none"]
    lines = [(f"n = {before['n_images']:.0f}, p(A) before: {before['p_first']:.3f}", FAINT)]
    lines += [(f"{TITLES[condition]}: {_interval(row_of[condition])}", FIRST) for condition in CONDITIONS[1:]]
    lines += [(f"crop beyond {control}: {_interval(row_of[f'crop-{control}'])}", FIRST) for control in CONTROLS]
    for number, (line, colour) in enumerate(lines):
        sheet.text(line, MARGIN, y + 0.2 * number, size=9, colour=colour)


def _interval(row: Mapping[str, float]) -> str:
    change, low, high = (_signed(row[column]) for column in ("change_first", "low_first", "high_first"))
    return f"{change} ({low} to {high})"


def _signed(value: float) -> str:
    """A change with its sign; one that rounds to nothing has none.

    Example:
        >>> _signed(0.0526), _signed(-0.00007), _signed(0.0)
        ('+0.053', 'about 0', '0')
    """
    text = f"{value:+.3f}"
    if float(text):
        return text
    return "about 0" if value else "0"
