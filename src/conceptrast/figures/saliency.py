"""Where a model looks: pictures with their maps, and what tests of the maps say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conceptrast.figures.canvas import FAINT, INK, SECOND, Sheet, component_colour
from conceptrast.saliency.tables import CHANCE

MARGIN, GAP, HEAD, TITLES, LINES = 0.35, 0.1, 0.85, 0.45, 0.5
CELL, MOST_ROWS = 1.75, 10
DPI = 120  # finer than other figures: photographs are looked at closely
OVERLAY = 0.7  # strength of a map over its picture, where it is highest
PANEL, CHART = 3.3, 2.4
CHANCE_STYLES = dict(zip(CHANCE, (":", "--"), strict=True))
METRICS = (
    ("deletion", "most relevant pixels removed", "share of pixels removed"),
    ("insertion", "most relevant pixels put in", "share of pixels put in"),
)


@dataclass(frozen=True)
class Looked:
    """A picture and where the model looks in it.

    Attributes:
        picture: ``[H, W, 3]`` uint8.
        lines: what is said below the picture, two at most.
        maps: ``[H, W]`` in [0, 1] by heading; the first is shown three ways, the others over the picture.
        boxes: top, left, height, width of what is outlined in the picture, in its pixels.
    """

    picture: np.ndarray
    lines: Sequence[str]
    maps: Mapping[str, np.ndarray]
    boxes: Sequence[Sequence[float]] = ()


def draw_saliency(rows: Sequence[Looked], title: str, note: str) -> Figure:
    """A row for each picture: the picture, the first map alone, over and times the picture, the other maps over it.

    Args:
        rows: at most :data:`MOST_ROWS` are shown; all have maps of the same headings. A map of zeros is said to be one,
            and so is a figure without rows.
        title: heading.
        note: line below it.
    """
    if not rows:
        sheet = Sheet(8.0, HEAD + 0.2)
        sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
        sheet.text(f"{note}; there is no picture to look at", MARGIN, 0.52, size=9, colour=FAINT)
        return sheet.figure
    shown = rows[:MOST_ROWS]
    headings = list(shown[0].maps)
    columns = ["picture", headings[0], "over the picture", "picture × map", *headings[1:]]
    step = LINES + CELL + GAP
    sheet = Sheet(2 * MARGIN + len(columns) * (CELL + GAP), HEAD + TITLES + step * len(shown))
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.52, size=9, colour=FAINT)
    for column, name in enumerate(columns):
        sheet.text(name, MARGIN + column * (CELL + GAP), HEAD + TITLES - 0.08, size=9, weight="bold", va="bottom")
    for place, row in enumerate(shown):
        y = HEAD + TITLES + place * step
        first = row.maps[headings[0]]
        cells = [row.picture, heatmap(first), overlay(row.picture, first), product(row.picture, first)]
        cells += [overlay(row.picture, row.maps[name]) for name in headings[1:]]
        of = [*headings[:1] * 4, *headings[1:]]
        for column, (cell, heading) in enumerate(zip(cells, of, strict=True)):
            x = MARGIN + column * (CELL + GAP)
            left, top, width, _ = sheet.picture(cell, x, y, CELL, CELL)
            _outline(sheet, row, left, top, width / cell.shape[1])
            if column and not row.maps[heading].any():
                sheet.text("nothing speaks for it", x, y + CELL + 0.05, size=8, colour=FAINT)
        for number, line in enumerate(row.lines):
            sheet.text(line, MARGIN, y + CELL + 0.05 + 0.17 * number, size=8, colour=INK if number == 0 else FAINT)
    return sheet.figure


def _outline(sheet: Sheet, row: Looked, x: float, y: float, scale: float) -> None:
    for top, left, height, width in row.boxes:
        sheet.frame(x + left * scale, y + top * scale, width * scale, height * scale, SECOND, 1.2)


def heatmap(values: np.ndarray) -> np.ndarray:
    """A map ``[H, W]`` in [0, 1] as a picture ``[H, W, 3]`` uint8: black is 0.

    Example:
        >>> heatmap(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 3], [252, 254, 164]]]
    """
    coloured: np.ndarray = colormaps["inferno"](values)[..., :3]
    return (255 * coloured).astype(np.uint8)


def overlay(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    r"""A map over its picture: the picture stays where the map is 0.

    .. math:: (1 - s\,m)\,x + s\,m\,\mathrm{colour}(m)

    with :math:`s` = :data:`OVERLAY`.

    Example:
        >>> overlay(np.full((1, 2, 3), 100, np.uint8), np.array([[0.0, 1.0]]))[0, 0].tolist()
        [100, 100, 100]
    """
    share = OVERLAY * values[..., None]
    return ((1 - share) * picture + share * heatmap(values)).astype(np.uint8)


def product(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A picture ``[H, W, 3]`` times a map: what the map leaves of it.

    Example:
        >>> product(np.full((1, 2, 3), 100, np.uint8), np.array([[0.5, 1.0]]))[0, :, 0].tolist()
        [50, 100]
    """
    return (picture * values[..., None]).astype(np.uint8)


def draw_saliency_tests(faithfulness: pd.DataFrame, randomisation: pd.DataFrame, title: str, note: str) -> Figure:
    """Curves of all tests, a line for each method, chance in grey.

    Args:
        faithfulness: rows target_kind, method, baseline (``none``, ``random``, ``centre``), metric, share, score.
        randomisation: rows method, stage, reaches, rank_correlation, above_layer.
        title: heading.
        note: line below it.

    Returns:
        Four panels: deletion, insertion, ROAD, and how maps change as the network's parameters become random. Where
        there are maps of A and of A and not B, the first three are of the latter: their scores are other probabilities,
        which the tables have side by side.
    """
    if (faithfulness["target_kind"] == "difference").any():
        faithfulness = faithfulness[faithfulness["target_kind"] == "difference"]
        note += "; why A and not B: the probability of A if only A and B were possible"
    sheet = Sheet(MARGIN + 4 * (PANEL + 0.25), HEAD + 0.35 + CHART + 1.1)
    sheet.text(title, MARGIN, 0.18, size=15, weight="bold")
    sheet.text(note, MARGIN, 0.52, size=9, colour=FAINT)
    methods = list(dict.fromkeys(faithfulness.loc[faithfulness["baseline"] == "none", "method"]))
    for place, (metric, heading, label) in enumerate(METRICS):
        axes = _panel(sheet, place, f"{metric}: {heading}", label)
        for name, style, colour, part in _lines(faithfulness[faithfulness["metric"] == metric], methods):
            mean = part.groupby("share")["score"].mean()
            axes.plot(mean.index, mean, style, color=colour, label=name, linewidth=1.8)
    axes = _panel(sheet, 2, "ROAD: least less most relevant removed", "share of pixels removed")
    for name, style, colour, part in _lines(faithfulness, methods):
        ways = [part[part["metric"] == f"road_{which}"].groupby("share")["score"].mean() for which in ("least", "most")]
        gain = (ways[0] - ways[1]) / 2
        axes.plot(gain.index, gain, style, color=colour, label=name, linewidth=1.8, marker="o", markersize=3)
    axes.set_ylim(-0.55, 0.55)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    _cascade(_panel(sheet, 3, "rank correlation with the trained network's map", ""), randomisation, methods)
    return sheet.figure


def _cascade(axes: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    """How far the maps still are those of the trained network, as it becomes random from its output downwards."""
    stages = rows.drop_duplicates("stage").sort_values("stage")
    for name in methods:
        mean = rows[rows["method"] == name].groupby("stage")["rank_correlation"].mean()
        axes.plot([0, *mean.index], [1.0, *mean], color=component_colour(methods.index(name)), linewidth=1.8)
    above = stages.loc[stages["above_layer"], "stage"]
    if len(above):
        axes.axvspan(0, float(above.max()), color="#EEEEEE", zorder=0)
    axes.set_ylim(-0.55, 1.05)
    names = ["trained", *stages["reaches"]]
    axes.set_xticks([0, *stages["stage"]], names, rotation=35, ha="right", fontsize=7)
    axes.axhline(0, color=FAINT, linewidth=0.6)


def _lines(rows: pd.DataFrame, methods: Sequence[str]) -> list[tuple[str, str, str, pd.DataFrame]]:
    """Name, style, colour and rows of every method and chance."""
    own = rows[rows["baseline"] == "none"]
    found = [(name, "-", component_colour(i), own[own["method"] == name]) for i, name in enumerate(methods)]
    chance = [(name, style, FAINT, rows[rows["baseline"] == name]) for name, style in CHANCE_STYLES.items()]
    return found + [line for line in chance if len(line[3])]


def _panel(sheet: Sheet, place: int, heading: str, label: str) -> Axes:
    x, y = MARGIN + 0.25 + place * (PANEL + 0.25), HEAD + 0.3
    axes = sheet.figure.add_axes(
        (x / sheet.width, 1 - (y + CHART) / sheet.height, (PANEL - 0.3) / sheet.width, CHART / sheet.height)
    )
    axes.set_title(heading, fontsize=9, loc="left")
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    return axes
