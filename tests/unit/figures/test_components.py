"""Bars of components, and the curves of fidelity: what is drawn is what was handed over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from conceptrast.figures.canvas import COMPONENT_COLOURS
from conceptrast.figures.component_bars import draw_component_bars
from conceptrast.figures.fidelity import draw_fidelity


def test_bars_have_the_order_length_and_colour_of_their_rows() -> None:
    rows = pd.DataFrame({"component": [2, 0], "value": [3.0, -1.0], "low": [2.0, -2.0], "high": [4.0, 0.0]})
    rows = rows.assign(chance=[0.5, np.nan], words=["first", "second"])
    figure = draw_component_bars(rows, "title", "note", "what")
    axes = figure.axes[1]
    assert [bar.get_width() for bar in axes.patches] == [3.0, -1.0]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [COMPONENT_COLOURS[i].lower() for i in (2, 0)]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["3", "1"]
    assert sum(line.get_linestyle() == ":" for line in axes.lines) == 1
    assert [text.get_text() for text in figure.axes[0].texts] == ["title", "note", "first", "second"]


def test_without_rows_the_sheet_says_so() -> None:
    empty = pd.DataFrame({name: [] for name in ("component", "value", "low", "high", "chance", "words")})
    figure = draw_component_bars(empty, "title", "one image", "what")
    assert "one image" in [text.get_text() for text in figure.axes[0].texts]
    figure.canvas.draw()


def test_every_curve_is_a_line_in_the_panel_of_its_recipe() -> None:
    curves = pd.DataFrame(
        {"recipe": recipe, "rest": rest, "baseline": baseline, "curve": curve, "share": share}
        | {"probability": share if curve == "insertion" else 1 - share}
        for recipe in ("published", "recommended")
        for rest in ("left_out", "kept")
        for baseline in ("none", "random_order")
        for curve in ("deletion", "insertion")
        for share in (0.0, 0.5, 1.0)
    )
    figure = draw_fidelity(curves, "study")
    panels = figure.axes[1:]
    assert [axes.get_title(loc="left").split(":")[0] for axes in panels] == ["published"] * 2 + ["recommended"] * 2
    for place, axes in enumerate(panels):
        assert [line.get_linestyle() for line in axes.lines] == ["-", ":"] * 2
        expected = [0.0, 0.5, 1.0] if place % 2 else [1.0, 0.5, 0.0]
        assert all(list(line.get_ydata()) == pytest.approx(expected) for line in axes.lines)


def test_a_study_without_classes_says_so() -> None:
    columns = ("recipe", "rest", "baseline", "curve", "share", "probability")
    figure = draw_fidelity(pd.DataFrame({name: [] for name in columns}), "study")
    assert "no class has components" in [text.get_text() for text in figure.axes[0].texts]
