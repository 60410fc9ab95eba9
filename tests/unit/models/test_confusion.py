"""What is taken for what: counts and shares by hand, a figure that says the same, the step, the metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from conceptrast.base.errors import ModelError
from conceptrast.base.files import read_table, write_json, write_table
from conceptrast.base.statistics import wilson_interval
from conceptrast.figures.confusion import CELL, draw_confusion
from conceptrast.models.confusion import COLUMNS, confusion, right_of
from conceptrast.steps import confusion as step
from conceptrast.steps.runner import call

from ..headlines import headline_metrics_of

PREDICTIONS = pd.DataFrame({"label": [0] * 4 + [1] * 2 + [3] * 4, "predicted": [0, 0, 0, 1, 1, 2, 3, 3, 0, 0]})
NAMES = ["ant", "bee", "cat", "dog"]


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


def test_counts_and_shares_by_hand():
    table = confusion(PREDICTIONS, NAMES, NAMES)
    assert list(table) == list(COLUMNS)
    assert table.to_numpy().tolist() == [
        [0, "ant", 0, "ant", 3, 0.75],
        [0, "ant", 1, "bee", 1, 0.25],
        [1, "bee", 1, "bee", 1, 0.5],
        [1, "bee", 2, "cat", 1, 0.5],
        [3, "dog", 0, "ant", 2, 0.5],
        [3, "dog", 3, "dog", 2, 0.5],
    ]
    assert right_of(table) == (6, 10)


def test_counts_are_those_of_a_histogram_and_shares_of_a_label_add_up():
    draw = np.random.default_rng(0)
    predictions = pd.DataFrame({"label": draw.integers(0, 7, 500), "predicted": draw.integers(0, 9, 500)})
    names = [str(number) for number in range(9)]
    table = confusion(predictions.sample(frac=1, random_state=1), names[:7], names)
    counts = np.zeros((7, 9), int)
    np.add.at(counts, (predictions["label"], predictions["predicted"]), 1)
    again = np.zeros_like(counts)
    again[table["label"], table["predicted"]] = table["n"]
    assert np.array_equal(again, counts)
    assert (table["n"] > 0).all()
    np.testing.assert_allclose(table.groupby("label")["share"].sum(), 1)
    assert right_of(table)[0] == int((predictions["label"] == predictions["predicted"]).sum())


def test_outputs_have_names_of_their_own():
    table = confusion(PREDICTIONS, NAMES, ["Formica", "Apis", "Felis", "Canis"])
    assert table["label_name"].iloc[1] == "ant"
    assert table["predicted_name"].iloc[1] == "Apis"


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


def test_the_step_writes_one_table_and_a_figure_of_every_model(tmp_path: Path):
    write_table(PREDICTIONS, one := tmp_path / "one.parquet")
    write_table(PREDICTIONS.assign(predicted=0), other := tmp_path / "other.parquet")
    write_json(NAMES, names := tmp_path / "class_names.json")
    write_json(["A", "B", "C", "D"], tmp_path / "own.json")
    models = [
        {"name": "net", "dataset": "animals", "class_names": None},
        {"name": "file", "dataset": "animals", "class_names": str(tmp_path / "own.json")},
        {"name": "list", "dataset": "animals", "class_names": ["w", "x", "y", "z"]},
    ]
    figures = [tmp_path / f"{model['name']}.png" for model in models]
    files = {"predictions": [one, other, other], "class_names": [names] * 3, "tables": [tmp_path / "confusion.csv"]}
    call(step.main, {"models": models}, **files, figures=figures)
    table = read_table(tmp_path / "confusion.csv")
    assert list(table) == ["model", *COLUMNS]
    assert table.groupby("model", sort=False).size().to_dict() == {"net": 6, "file": 3, "list": 3}
    assert table[table["model"] != "net"]["predicted_name"].tolist() == ["A"] * 3 + ["w"] * 3
    assert table["label_name"].isin(NAMES).all()
    assert all(Image.open(figure).width > 400 for figure in figures)
    write_json({"A": 0}, tmp_path / "own.json")
    with pytest.raises(ModelError, match=r"own\.json must hold a JSON list of class names"):
        call(step.main, {"models": models}, **files, figures=figures)


def test_accuracy_and_its_interval_are_headlines():
    table = confusion(PREDICTIONS, NAMES, NAMES)
    table.insert(0, "model", "net")
    low, high = wilson_interval(6, 10)
    expected = {"net/accuracy": 0.6, "net/accuracy_low": low, "net/accuracy_high": high}
    assert headline_metrics_of({"confusion": table}) == expected
    both = headline_metrics_of({"confusion": pd.concat([table, table.assign(model="other")])})
    assert both == expected | {key.replace("net", "other"): value for key, value in expected.items()}
