"""What tests of class activation maps say: faithfulness curves, and maps of a network that becomes random."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, Sheet, component_colour
from conceptrast.saliency.tables import CHANCE_MAPS

MARGIN = 0.35
HEAD = 0.85
PANEL = 3.1
CHART = 2.4
CHANCE_STYLES = dict(zip(CHANCE_MAPS, (":", "--"), strict=True))
METRICS = (
    ("deletion", "most relevant pixels removed", "share of pixels removed"),
    ("insertion", "most relevant pixels put in", "share of pixels put in"),
)


def draw_saliency_tests(faithfulness: pd.DataFrame, randomisation: pd.DataFrame, title: str, note: str) -> Figure:
    """Curves of all tests, a line for each method, chance in grey.

    Args:
        faithfulness: rows target_kind, method, baseline (``none``, ``random``, ``centre``), metric, share, score.
        randomisation: rows method, stage, reaches, rank_correlation, above_layer.
        title: heading.
        note: line below it.

    Returns:
        Four panels: deletion, insertion, ROAD, and how maps change as the network's parameters become random. If there
        are maps of A and maps of A and not B, the first three panels show the latter. The scores of the two kinds are
        different probabilities; the tables have both.
    """
    if (faithfulness["target_kind"] == "difference").any():
        faithfulness = faithfulness[faithfulness["target_kind"] == "difference"]
        note += "; why A and not B: the probability of A if only A and B were possible"
    # Title, and the methods in the order of the rows.
    sheet = Sheet(MARGIN + 4 * (PANEL + 0.25), HEAD + 0.35 + CHART + 1.1)
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.52, size=9, colour=FAINT)
    methods = list(dict.fromkeys(faithfulness.loc[faithfulness["baseline"] == "none", "method"]))
    # Deletion and insertion.
    for place, (metric, heading, label) in enumerate(METRICS):
        axes = _panel(sheet, place, f"{metric}: {heading}", label)
        for name, style, colour, part in _lines(faithfulness[faithfulness["metric"] == metric], methods):
            mean = part.groupby("share")["score"].mean()
            axes.plot(mean.index, mean, style, color=colour, label=name, linewidth=1.8)
    # ROAD.
    axes = _panel(sheet, 2, "ROAD: half of (least − most removed)", "share of pixels removed")
    for name, style, colour, part in _lines(faithfulness, methods):
        least = part[part["metric"] == "road_least"].groupby("share")["score"].mean()
        most = part[part["metric"] == "road_most"].groupby("share")["score"].mean()
        gain = (least - most) / 2
        axes.plot(gain.index, gain, style, color=colour, label=name, linewidth=1.8, marker="o", markersize=3)
    axes.set_ylim(-0.55, 0.55)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2, handlelength=2, columnspacing=1)
    # Parameter randomisation.
    _cascade(_panel(sheet, 3, "rank correlation with the trained map", ""), randomisation, methods)
    return sheet.figure


def _cascade(axes: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    """How similar the maps stay to those of the trained network while it becomes random from its output downwards."""
    stages = rows.drop_duplicates("stage").sort_values("stage")
    for name in methods:
        mean = rows[rows["method"] == name].groupby("stage")["rank_correlation"].mean()
        axes.plot([0, *mean.index], [1.0, *mean], color=component_colour(methods.index(name)), linewidth=1.8)
    above = stages.loc[stages["above_layer"], "stage"]
    if len(above):
        axes.axvspan(0, float(above.max()), color="#EEEEEE", zorder=0)
    axes.set_ylim(-0.55, 1.05)
    names = ["trained", *stages["reaches"]]
    axes.set_xticks([0, *stages["stage"]], names, rotation=35, ha="right")
    axes.axhline(0, color=FAINT, linewidth=0.6)


def _lines(rows: pd.DataFrame, methods: Sequence[str]) -> list[tuple[str, str, str, pd.DataFrame]]:
    """Name, style, colour and rows of every method and chance."""
    of_methods = rows[rows["baseline"] == "none"]
    lines = [
        (name, "-", component_colour(number), of_methods[of_methods["method"] == name])
        for number, name in enumerate(methods)
    ]
    chance = [(name, style, FAINT, rows[rows["baseline"] == name]) for name, style in CHANCE_STYLES.items()]
    return lines + [line for line in chance if len(line[3])]


def _panel(sheet: Sheet, place: int, heading: str, label: str) -> Axes:
    x = MARGIN + 0.25 + place * (PANEL + 0.25)
    y = HEAD + 0.3
    axes = sheet.panel(x, y, width=PANEL - 0.3, height=CHART)
    axes.set_title(heading, fontsize=9, loc="left")
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    return axes
