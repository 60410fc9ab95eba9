"""The table of what is taken for what as a figure: counts, shares, colours, sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from conceptrast.base.statistics import wilson_interval
from conceptrast.figures.confusion import CELL, draw_confusion
from conceptrast.models.confusion import confusion

from ..models.four_animals import NAMES, PREDICTIONS


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def counted(figure: Figure) -> dict[tuple[int, int], str]:
    """Texts in the cells of the table by row and column, read off their places."""
    frame = max(figure.axes[0].patches, key=lambda patch: patch.get_width() * patch.get_height())
    texts = {}
    for text in figure.axes[0].texts:
        x, y = ((at - start) / CELL for at, start in zip(text.get_position(), frame.get_xy(), strict=True))
        if 0 < x < frame.get_width() / CELL and 0 < y < frame.get_height() / CELL:
            texts[int(y), int(x)] = text.get_text()
    return texts


def colour_at(figure: Figure, row: int, column: int) -> tuple[float, ...]:
    frame = max(figure.axes[0].patches, key=lambda patch: patch.get_width() * patch.get_height())
    x = frame.get_xy()[0] + (column + 0.5) * CELL
    y = frame.get_xy()[1] + (row + 0.5) * CELL
    inside = [
        patch
        for patch in figure.axes[0].patches
        if patch is not frame
        and patch.get_x() < x < patch.get_x() + patch.get_width()
        and patch.get_y() < y < patch.get_y() + patch.get_height()
    ]
    [cell] = inside
    return to_rgb(cell.get_facecolor())


def test_the_figure_has_every_count_in_its_cell_and_nothing_else():
    figure = draw_confusion(confusion(PREDICTIONS, NAMES, NAMES), "net", "held-out pictures of animals")
    assert counted(figure) == {
        (0, 0): "3", (0, 1): "1", (1, 1): "1", (1, 2): "1", (3, 0): "2", (3, 3): "2",
    }  # fmt: skip


def test_the_figure_says_accuracy_interval_and_shares():
    figure = draw_confusion(confusion(PREDICTIONS, NAMES, NAMES), "net", "held-out pictures of animals")
    low, high = (f"{100 * end:.1f}" for end in wilson_interval(6, 10))
    texts = words(figure)
    assert f"accuracy 60.0 % ({low} to {high} %): 6 of 10 held-out pictures of animals" in texts
    assert "net" in texts
    assert [word for word in texts if " % of " in word] == ["75 % of 4", "50 % of 2", "50 % of 4"]
    assert texts.count("no picture") == 1  # nothing is labelled cat
    assert [texts.count(name) for name in NAMES] == [2] * 4


def test_right_is_green_wrong_is_orange_and_more_is_darker():
    figure = draw_confusion(confusion(PREDICTIONS, NAMES, NAMES), "net", "pictures")
    (most, half, few, wrong) = (colour_at(figure, *at) for at in ((0, 0), (1, 1), (0, 1), (3, 0)))
    for red, green, _ in (most, half):
        assert green > red
    for red, _, blue in (few, wrong):
        assert red > blue + 0.1
    assert sum(most) < sum(half)
    assert sum(wrong) < sum(few)


def test_without_a_mistake_only_the_diagonal_has_colour():
    rows = confusion(PREDICTIONS.assign(predicted=PREDICTIONS["label"]), NAMES, NAMES)
    figure = draw_confusion(rows, "net", "pictures")
    assert counted(figure) == {(0, 0): "4", (1, 1): "2", (2, 2): "4"}
    assert any(word.startswith("accuracy 100.0 % (72.2 to 100.0 %)") for word in words(figure))


def test_of_many_classes_the_worst_are_shown_and_the_figure_says_so():
    labels = np.repeat(np.arange(6), 10)
    predicted = labels.copy()
    for label, wrong in ((1, 3), (2, 10), (4, 9), (5, 1)):
        predicted[labels == label] = [0] * wrong + [label] * (10 - wrong)
    names = [f"class {number}" for number in range(6)]
    rows = confusion(pd.DataFrame({"label": labels, "predicted": predicted}), names, names)
    figure = draw_confusion(rows, "net", "pictures", limit=2)
    assert counted(figure) == {(1, 1): "1"}  # all of class 2 and nine of class 4 are named class 0
    assert "0 % of 10" in words(figure)
    assert any(word.startswith("the 2 of 6 classes with the lowest share right") for word in words(figure))
    assert not any("of 6 classes" in word for word in words(draw_confusion(rows, "net", "pictures", limit=6)))


@pytest.mark.parametrize("names", [NAMES, [f"a rather long name {number}, synonym" for number in range(4)]])
def test_nothing_is_smaller_than_seven_points_or_off_the_sheet(names):
    figure = draw_confusion(confusion(PREDICTIONS, names, names), "net", "held-out pictures of animals")
    width, height = figure.get_size_inches()
    renderer = figure.canvas.get_renderer()
    for text in figure.axes[0].texts:
        assert text.get_fontsize() >= 7
        extent = text.get_window_extent(renderer)
        assert min(extent.x0, extent.y0) >= 0
        assert extent.x1 <= width * figure.dpi
        assert extent.y1 <= height * figure.dpi
