"""The tests of a study's hyperplanes as curves: shifting along normals, hiding places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from conceptrast.base.names import short
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION
from conceptrast.figures.canvas import FAINT, FIRST, SECOND, Sheet

MARGIN = 0.5
PANEL = 4.1
HEIGHT = 2.6
CURVES = (("p_from", FIRST, "p(A)"), ("p_to", SECOND, "p(B)"))
CELL = 0.92
GAP = 0.06
CHART = 3.6


def draw_shift(shift: pd.DataFrame, study: str) -> Figure:
    """Probabilities of A and B along the offset, a panel for each solver.

    Args:
        shift: as :func:`conceptrast.contrast.shift.shift_table` gives; a pair that was drawn twice counts once.
        study: its name.

    Returns:
        A figure of its own; without pairs it says so.
    """
    pairs = shift[shift["status"] == "ok"].drop(columns="draw").drop_duplicates()
    solvers = list(dict.fromkeys(pairs["hyperplane"]))

    # Title.
    sheet = Sheet(MARGIN + max(len(solvers), 2) * PANEL, 0.95 + HEIGHT + 0.75)
    count = len(pairs[["from_class", "to_class"]].drop_duplicates())
    sheet.text(f"{study}: activations of A shifted towards B", 0.35, 0.18, size=14, weight="bold")
    note = f"mean over {count} different pairs of classes, each pair a thin line; dotted: a random direction as long"
    sheet.text(note if solvers else "no pair of classes could be shifted", 0.35, 0.5, size=9, colour=FAINT)

    # A panel for each solver: single pairs, then means.
    for place, solver in enumerate(solvers):
        part = pairs[pairs["hyperplane"] == solver]
        offsets = sorted(part["offset"].unique())
        x = MARGIN + place * PANEL
        places = np.arcsinh(offsets)
        axes = sheet.probability_axes(
            x, 1.05, width=PANEL - 0.5, height=HEIGHT, ticks=offset_ticks(offsets), at=places.tolist()
        )
        axes.set_title(f"hyperplanes: {solver}", fontsize=10, loc="left")
        axes.set_xlabel(f"offset, in multiples of the normal (asinh)\n{at_the_end(part)}", fontsize=8)
        for column, colour, label in CURVES:
            for _, pair in part[part["baseline"] == "none"].groupby(["from_class", "to_class"]):
                axes.plot(places, pair.sort_values("offset")[column], color=colour, alpha=0.12, linewidth=0.7)
            for baseline, style in (("none", "-"), (RANDOM_DIRECTION, ":")):
                mean = part[part["baseline"] == baseline].groupby("offset")[column].mean()
                name = label if baseline == "none" else None
                axes.plot(places, mean, style, color=colour, linewidth=2.2, label=name)
        axes.legend(fontsize=9, frameon=False, loc="best")
    return sheet.figure


def offset_ticks(offsets: Sequence[float]) -> list[str]:
    """Labels of offsets on an asinh axis; those that would run into the one before are left out, never the last.

    Example:
        >>> offset_ticks([0, 0.5, 1, 10, 15, 200])
        ['0', '0.5', '', '10', '', '200']
    """
    places = np.arcsinh(offsets)
    least = 0.07 * (places[-1] - places[0])
    labels = [f"{offset:g}" for offset in offsets]
    last = places[0]
    for number in range(1, len(places) - 1):
        if min(places[number] - last, places[-1] - places[number]) < least:
            labels[number] = ""
        else:
            last = places[number]
    return labels


def at_the_end(shift: pd.DataFrame) -> str:
    """What the furthest shift does, along the normal and in a random direction, in words.

    Args:
        shift: offset, baseline, p_to.

    Example:
        >>> at_the_end(pd.DataFrame({"offset": [0, 200, 200], "baseline": ["none", "none", "random_direction"],
        ...     "p_to": [0.0, 1.0, 0.25]}))
        'at 200: p(B) = 1.00, in a random direction 0.25'
    """
    last = shift["offset"].max()
    ends = shift[shift["offset"] == last].groupby("baseline")["p_to"].mean()
    random = f", in a random direction {ends[RANDOM_DIRECTION]:.2f}" if RANDOM_DIRECTION in ends else ""
    return f"at {last:g}: p(B) = {ends['none']:.2f}{random}"


def draw_mask(
    mask: pd.DataFrame, pictures: Mapping[tuple[int, int], Mapping[float, np.ndarray]], names: Sequence[str], study: str
) -> Figure:
    """For each pair, draw the probabilities while places are hidden, and an image of A on the way.

    Args:
        mask: from_class, to_class, baseline, status, share, p_from, p_to.
        pictures: for each pair, an image ``[H, W, 3]`` uint8 for each share of hidden places.
        names: the names of the classes.
        study: its name.

    Returns:
        A figure of its own; without pairs it says so.
    """
    shares_of_pairs = mask[mask["status"] == "ok"]
    n_steps = max((len(steps) for steps in pictures.values()), default=0)
    row = 1.75

    # Title and legend.
    sheet = Sheet(max(0.6 + CHART + 0.3 + n_steps * (CELL + GAP) + 0.35, 9.0), 1.1 + row * max(len(pictures), 1) + 0.2)
    sheet.text(f"{study}: places on A's side of the hyperplane hidden first", 0.35, 0.18, size=14, weight="bold")
    note = "solid: in the order of the hyperplane, places of all images of A together; dotted: in a random order"
    sheet.text(note if len(pictures) else "no pair of classes could be masked", 0.35, 0.5, size=9, colour=FAINT)
    for number, (_, colour, label) in enumerate(CURVES):
        sheet.text(label, 0.6 + 0.5 * number, 0.74, size=9, colour=colour, weight="bold")

    # A row for each pair: curves, then the image on the way.
    for place, (pair, steps) in enumerate(pictures.items()):
        y = 1.1 + place * row
        part = shares_of_pairs[(shares_of_pairs["from_class"] == pair[0]) & (shares_of_pairs["to_class"] == pair[1])]
        shares = sorted(part["share"].unique())
        axes = sheet.probability_axes(
            0.6, y + 0.2, width=CHART, height=row - 0.6, ticks=[f"{100 * share:.0f}" for share in shares]
        )
        first, second = (short(names[target], 22) for target in pair)
        sheet.text(f"A = {first}, B = {second}; % of places hidden", 0.6, y - 0.05, size=8)
        for column, colour, _ in CURVES:
            for baseline in dict.fromkeys(part["baseline"]):
                curve = part[part["baseline"] == baseline].sort_values("share")
                style = "-" if baseline == "none" else ":"
                axes.plot(range(len(curve)), curve[column], style, color=colour, linewidth=1.8)
        for step, (share, picture) in enumerate(steps.items()):
            left = 0.6 + CHART + 0.3 + step * (CELL + GAP)
            sheet.picture(picture, left, y + 0.2, width=CELL, height=CELL)
            sheet.text(f"{100 * share:.0f} %", left, y + 0.22 + CELL, size=8, colour=FAINT)
    return sheet.figure
