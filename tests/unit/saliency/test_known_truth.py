"""Maps against known boxes: mass and maximum by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.errors import ShapeError
from conceptrast.base.statistics import wilson_interval
from conceptrast.data.digit_pairs import DigitPairs
from conceptrast.saliency.known_truth import truth_rows
from conceptrast.saliency.tables import truth_table

TRUTH = pd.DataFrame(
    [(4, "7", 0, 0, 2, 2), (4, "3", 2, 2, 2, 2), (9, "7", 1, 1, 1, 3), (9, "3", 3, 0, 1, 1), (6, "3", 0, 0, 1, 1)],
    columns=["image", "concept", "top", "left", "height", "width"],
)


def spike(*places: tuple[int, int], base: float = 0.0) -> np.ndarray:
    values = np.full((4, 4), base)
    for place in places:
        values[place] = 1
    return values


def one(values: np.ndarray, image: int = 4) -> tuple[object, ...]:
    rows = truth_rows(maps=values[None], images=np.array([image]), truth=TRUTH, own_concept="7", shared_concept="3")
    assert rows.columns.tolist() == ["image", "flat", "own_mass", "shared_mass", "hit"]
    return next(rows.itertuples(index=False, name=None))


def test_mass_and_maximum_by_hand():
    assert one(spike((0, 1))) == (4, False, 1, 0, True)
    assert one(spike((3, 3))) == (4, False, 0, 1, False)
    assert one(spike((0, 3))) == (4, False, 0, 0, False)
    _, flat, telling, shared, hit = one(spike((1, 1), base=0.5))
    assert (flat, hit) == (False, True)
    assert (telling, shared) == pytest.approx((2.5 / 8.5, 2 / 8.5))
    assert one(spike((1, 3)), image=9) == (9, False, 1, 0, True)
    assert one(spike((1, 0)), image=9) == (9, False, 0, 0, False)
    assert one(spike((3, 0)), image=9) == (9, False, 0, 1, False)


def test_a_maximum_of_several_pixels_hits_with_at_least_half_of_them():
    assert one(spike((0, 0), (3, 3)))[-1] is True
    assert one(spike((0, 0), (3, 3), (3, 2)))[-1] is False


def test_a_flat_map_hits_nothing():
    assert one(np.zeros((4, 4))) == (4, True, 0, 0, False)
    assert one(np.ones((4, 4))) == (4, True, 0.25, 0.25, False)
    large = TRUTH.assign(height=4, width=4)
    rows = truth_rows(maps=np.ones((1, 4, 4)), images=np.array([4]), truth=large, own_concept="7", shared_concept="3")
    assert rows["hit"].tolist() == [False]


def test_images_without_one_of_the_concepts_are_left_out_and_maps_are_needed_for_all():
    rows = truth_rows(
        maps=np.stack([spike((0, 0))] * 3), images=np.array([6, 4, 5]), truth=TRUTH, own_concept="7", shared_concept="3"
    )
    assert rows["image"].tolist() == [4]
    with pytest.raises(ShapeError, match="1 maps for 2 images"):
        truth_rows(maps=np.zeros((1, 4, 4)), images=np.array([4, 9]), truth=TRUTH, own_concept="7", shared_concept="3")


def test_several_boxes_of_a_concept_count_together():
    truth = pd.concat([TRUTH, TRUTH.iloc[:1].assign(top=0, left=3)])
    rows = truth_rows(
        maps=spike((0, 0), (0, 3), (3, 3))[None], images=np.array([4]), truth=truth, own_concept="7", shared_concept="3"
    )
    assert rows["own_mass"].tolist() == pytest.approx([2 / 3])


def test_a_map_of_the_telling_box_finds_the_telling_digit_in_every_picture():
    index = DigitPairs(train=0, validation=20).build_index()
    images = index.table.loc[index.table["label_name"] == "3+7", "image"].to_numpy()
    maps = np.zeros((len(images), 96, 96))
    for values, image in zip(maps, images, strict=True):
        box = index.truth[(index.truth["image"] == image) & (index.truth["concept"] == "7")].iloc[0]
        values[box["top"] + box["height"] - 1, box["left"] + box["width"] - 1] = 1
    rows = truth_rows(maps=maps, images=images, truth=index.truth, own_concept="7", shared_concept="3")
    assert len(rows) == len(images) > 0
    assert rows["hit"].all()
    assert (rows["own_mass"] == 1).all()


def test_a_table_by_hand():
    head = {"view": "v", "target_kind": "pair"}
    rows = pd.DataFrame(
        [
            head | dict(zip(("method", "baseline", "flat", "own_mass", "shared_mass", "hit"), values, strict=True))
            for values in [
                ("a", "none", False, 0.6, 0.2, True),
                ("a", "none", False, 0.3, 0.3, False),
                ("a", "none", True, 0.3, 0.1, False),
                ("random", "random", False, 0.1, 0.2, False),
            ]
        ]
    )
    table = truth_table(rows).set_index("method")
    assert table.loc["a", ["n_images", "n_flat"]].tolist() == [3, 1]
    shares = table.loc["a", ["own_mass", "shared_mass", "more", "hit"]]
    assert shares.tolist() == pytest.approx([0.4, 0.2, 1 / 3, 1 / 3])
    assert table.loc["a", ["more_low", "more_high"]].tolist() == pytest.approx(wilson_interval(1, 3))
    assert table.loc["a", ["hit_low", "hit_high"]].tolist() == pytest.approx(wilson_interval(1, 3))
    assert table.loc["random", ["more", "more_low"]].tolist() == [0, 0]
    assert not table.isna().any().any()
