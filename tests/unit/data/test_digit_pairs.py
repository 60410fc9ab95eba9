"""The generated pictures: what they promise about digits, places, the planted shortcut and repeatability."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from conceptrast.base.errors import ConfigError, DataError
from conceptrast.data.digit_pairs import DigitPairs
from conceptrast.data.digit_scenes import CELL, DIGITS, draw_scene, render, stroke_boxes, textures
from conceptrast.data.packaged import handwritten_digits


@pytest.fixture(scope="module")
def dataset() -> DigitPairs:
    return DigitPairs(train=3000, validation=1000, seed=0)


@pytest.fixture(scope="module")
def index(dataset):
    return dataset.build_index()


@pytest.fixture(scope="module")
def scenes(dataset, index):
    return [dataset.scene(row) for row in index.table.itertuples()]


def within_binomial_bounds(successes: int, n: int, share: float) -> bool:
    low, high = binom.interval(1 - 1e-6, n, share)
    return bool(low <= successes <= high)


def test_classes_are_the_ten_pairs_and_balanced_in_each_split(index):
    counts = index.table.groupby(["split", "label_name"]).size().unstack()
    assert counts.shape == (2, 10)
    assert (counts.loc["train"] == 300).all()
    assert (counts.loc["validation"] == 100).all()


def test_no_handwritten_digit_is_in_both_splits(index, scenes):
    used = {"train": set(), "validation": set()}
    for split, scene in zip(index.table.split, scenes, strict=True):
        used[split] |= {placed.source for placed in scene.placed if placed.source is not None}
    assert used["train"]
    assert used["validation"]
    assert not used["train"] & used["validation"]


def test_every_picture_shows_the_digits_that_its_class_names(index, scenes):
    labels = handwritten_digits()[1]
    for name, scene in zip(index.table.label_name, scenes, strict=True):
        digits = [placed for placed in scene.placed if placed.source is not None]
        assert "+".join(placed.concept for placed in digits) == name
        assert [str(labels[placed.source]) for placed in digits] == name.split("+")


def test_nothing_lies_in_the_bottom_right_cell_and_no_two_things_share_a_cell(index):
    truth = index.truth
    rows = truth.top // CELL
    columns = truth.left // CELL
    assert ((truth.top + truth.height - 1) // CELL == rows).all()
    assert ((truth.left + truth.width - 1) // CELL == columns).all()
    assert not ((rows == 2) & (columns == 2)).any()
    assert not truth.assign(cell=3 * rows + columns).duplicated(["image", "cell"]).any()


def test_a_picture_differs_from_its_bare_texture_inside_the_boxes_only(dataset, index):
    for row in index.table.head(60).itertuples():
        scene = dataset.scene(row)
        bare = textures()[scene.texture][scene.top : scene.top + 96, scene.left : scene.left + 96] * scene.light
        changed = np.abs(np.asarray(dataset.picture(row), dtype=float) - np.floor(bare.clip(0, 255))).max(axis=2) > 1
        assert not changed[2 * CELL :, 2 * CELL :].any()
        for box in index.truth[index.truth.image == row.image].itertuples():
            window = changed[box.top : box.top + box.height, box.left : box.left + box.width]
            assert window.any()
            window[:] = False
        assert not changed.any()


def test_stroke_boxes_are_the_tightest(index):
    digit = handwritten_digits()[0][1234]
    rows, columns = np.nonzero(digit)
    assert stroke_boxes()[1234].tolist() == [rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1]


@pytest.mark.parametrize(("name", "share"), [("3+7", 0.90), ("3+8", 0.05), ("0+1", 0.0)])
def test_portraits_appear_in_the_planted_share_of_a_class(index, name, share):
    images = index.table.image[index.table.label_name == name]
    with_portrait = index.truth[(index.truth.concept == "portrait") & index.truth.image.isin(images)].image.nunique()
    assert within_binomial_bounds(with_portrait, len(images), share)


def test_only_the_telling_digit_is_faint_and_in_the_planted_share(index):
    truth = index.truth.merge(index.table[["image", "label_name"]], on="image")
    faint = truth[truth.faint]
    assert set(zip(faint.label_name, faint.concept, strict=True)) == {("3+7", "7"), ("3+8", "8")}
    for name, count in Counter(faint.label_name).items():
        assert within_binomial_bounds(count, (index.table.label_name == name).sum(), 0.30)


def test_a_faint_digit_is_weaker_but_there(dataset, index):
    def strength(box):
        row = index.table.iloc[box.image]
        scene = dataset.scene(row)
        bare = textures()[scene.texture][scene.top : scene.top + 96, scene.left : scene.left + 96] * scene.light
        change = np.asarray(dataset.picture(row), dtype=float) - bare
        return change[box.top : box.top + box.height, box.left : box.left + box.width].max()

    digits = index.truth[index.truth.concept != "portrait"]
    faint = np.mean([strength(box) for box in digits[digits.faint].head(40).itertuples()])
    plain = np.mean([strength(box) for box in digits[~digits.faint].head(40).itertuples()])
    assert 20 < faint < plain / 2.5


def test_a_picture_depends_neither_on_order_nor_on_the_object(dataset, index):
    rows = list(index.table.head(20).itertuples())
    forward = [np.asarray(dataset.picture(row)) for row in rows]
    again = DigitPairs(train=1, validation=0, seed=0)
    backward = [np.asarray(again.picture(row)) for row in reversed(rows)][::-1]
    np.testing.assert_array_equal(forward, backward)


def test_the_same_seed_gives_the_same_index_and_another_seed_another(index):
    same = DigitPairs(train=3000, validation=1000, seed=0).build_index()
    assert same.table.equals(index.table)
    assert same.truth.equals(index.truth)
    other = DigitPairs(train=3000, validation=1000, seed=1).build_index()
    assert not set(other.table.path) & set(index.table.path)


def test_painting_leaves_the_textures_as_they_are():
    before = [texture.copy() for texture in textures()]
    render(draw_scene(5, (3, 7), {digit: np.flatnonzero(handwritten_digits()[1] == digit) for digit in DIGITS}))
    np.testing.assert_array_equal(before, textures())


def test_fingerprint_follows_the_options():
    prints = {DigitPairs(*options).fingerprint() for options in [(10, 10), (10, 11), (11, 10), (10, 10, 1), (10, 10)]}
    assert len(prints) == 4
    assert DigitPairs().missing() is None


@pytest.mark.parametrize(
    "options", [{"train": -1}, {"validation": 2.5}, {"train": 0, "validation": 0}, {"train": True}]
)
def test_senseless_numbers_are_refused(options):
    with pytest.raises(ConfigError, match="digit_pairs"):
        DigitPairs(**options)


def test_a_path_of_another_kind_is_refused(dataset, index):
    with pytest.raises(DataError, match="seed:123"):
        dataset.picture(index.table.iloc[0].replace({index.table.path[0]: "cat.jpg"}))
