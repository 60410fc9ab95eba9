"""The insertion test: what is pasted where, and its table from probabilities that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conceptrast.base.errors import ConfigError
from conceptrast.base.statistics import bootstrap_interval
from conceptrast.contrast.insertion import (
    CONDITIONS,
    inserted_views,
    insertion_examples,
    insertion_rows,
    insertion_summary,
    patch_crops,
    skipped_insertion,
)
from conceptrast.models.model import Model, Preprocess

IDS = np.array([3, 8])
VIEWS = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
CROP = np.arange(100, 112, dtype=np.uint8).reshape(2, 2, 3)
BOX = (2, 2, 2, 2)


@pytest.fixture
def model() -> Model:
    """Names the colour that there is most of."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Model("colours", network, Preprocess(None, 4, (0.3, 0.4, 0.5), (0.1,) * 3), ["red", "green", "blue"])


def pasted(condition: str, model: Model, seed: int = 0) -> torch.Tensor:
    before = VIEWS.clone()
    views = inserted_views(views=VIEWS, images=IDS, crop=CROP, box=BOX, condition=condition, model=model, seed=seed)
    assert torch.equal(VIEWS, before)
    outside = torch.ones(4, 4, dtype=torch.bool)
    outside[2:, 2:] = False
    assert torch.equal(views[:, :, outside], VIEWS[:, :, outside])
    return views[:, :, 2:, 2:]


def test_the_box_holds_what_the_condition_says(model):
    assert torch.equal(pasted("none", model), VIEWS[:, :, 2:, 2:])
    assert all(torch.equal(view, torch.from_numpy(CROP).permute(2, 0, 1)) for view in pasted("crop", model))
    assert pasted("zeros", model)[0, :, 0, 0].tolist() == [76, 102, 128]  # the mean colour, as near as bytes come


def test_a_shuffled_crop_keeps_its_pixels_and_differs_between_images_and_seeds(model):
    views = pasted("shuffled", model)
    for view in views:
        assert sorted(map(tuple, view.flatten(1).T.tolist())) == sorted(map(tuple, CROP.reshape(-1, 3).tolist()))
    many = inserted_views(
        views=VIEWS[:1].expand(20, -1, -1, -1),
        images=np.arange(20),
        crop=CROP,
        box=BOX,
        condition="shuffled",
        model=model,
    )
    assert len({tuple(view.flatten().tolist()) for view in many}) > 5
    assert torch.equal(views, pasted("shuffled", model))
    assert not torch.equal(
        many,
        inserted_views(
            views=VIEWS[:1].expand(20, -1, -1, -1),
            images=np.arange(20),
            crop=CROP,
            box=BOX,
            condition="shuffled",
            model=model,
            seed=1,
        ),
    )


def test_zeros_are_exactly_zero_for_the_network(model):
    """With everything covered the network sees zeros: all logits are equal."""
    rows = insertion_rows(
        model=model, batches=[(IDS, VIEWS)], crop=np.zeros((4, 4, 3), np.uint8), corner="top_left", pair=(0, 1)
    )
    at_zeros = rows[rows["condition"] == "zeros"]
    np.testing.assert_allclose(at_zeros[["p_first", "p_second"]], 1 / 3, rtol=1e-6)


def test_probabilities_are_those_of_the_whole_network(model):
    rows = insertion_rows(
        model=model, batches=[(IDS[:1], VIEWS[:1]), (IDS[1:], VIEWS[1:])], crop=CROP, corner="bottom_right", pair=(2, 0)
    )
    assert rows["condition"].tolist() == [*CONDITIONS, *CONDITIONS]
    view = inserted_views(views=VIEWS[1:], images=IDS[1:], crop=CROP, box=BOX, condition="crop", model=model)
    expected = model.module(model.preprocess.normalise(view)).double().softmax(1)[0]
    row = rows[(rows["image"] == 8) & (rows["condition"] == "crop")].iloc[0]
    assert row["p_first"] == pytest.approx(float(expected[2]))
    assert row["p_second"] == pytest.approx(float(expected[0]))
    assert (row["first_name"], row["second_name"]) == ("blue", "red")


def test_a_crop_that_does_not_fit_and_a_corner_that_does_not_exist_are_errors(model):
    with pytest.raises(ConfigError, match="5×5 pixels"):
        insertion_rows(
            model=model, batches=[(IDS, VIEWS)], crop=np.zeros((5, 5, 3), np.uint8), corner="top_left", pair=(0, 1)
        )
    with pytest.raises(ConfigError, match="unknown corner"):
        insertion_rows(model=model, batches=[(IDS, VIEWS)], crop=CROP, corner="middle", pair=(0, 1))


def known(p_first: dict[str, list[float]]) -> pd.DataFrame:
    head = {"first": 0, "first_name": "a", "second": 1, "second_name": "b", "status": "ok", "reason": ""}
    return pd.DataFrame(
        [
            {**head, "image": image, "condition": name, "p_first": value, "p_second": 1 - value}
            for name, values in p_first.items()
            for image, value in enumerate(values)
        ]
    )


def test_changes_are_paired_and_the_effect_is_beyond_the_controls():
    table = insertion_summary(
        known({"none": [0.1, 0.2], "crop": [0.6, 0.7], "zeros": [0.2, 0.3], "shuffled": [0.0, 0.3]})
    ).set_index("condition")
    assert table.loc["crop", "change_first"] == pytest.approx(0.5)
    assert table.loc["crop", ["low_first", "high_first"]].tolist() == pytest.approx([0.5, 0.5])
    assert table.loc["crop", "change_second"] == pytest.approx(-0.5)
    assert table.loc["crop-zeros", "change_first"] == pytest.approx(0.4)
    assert table.loc["crop-shuffled", "change_first"] == pytest.approx(0.5)
    assert table.loc["crop-shuffled", ["low_first", "high_first"]].tolist() == pytest.approx([0.4, 0.6])
    assert table.loc["none", "change_first"] == 0
    assert table["n_images"].tolist() == [2] * 6


def test_a_pair_without_images_keeps_its_row_and_reason(model):
    table = insertion_summary(
        pd.concat([skipped_insertion(model, (0, 2), "none"), known({c: [0.5] for c in CONDITIONS})])
    )
    assert table["status"].tolist() == ["skipped", *["ok"] * 6]
    assert table["reason"][0] == "none"
    assert table["second_name"][0] == "blue"


class Views:
    """Stands for pictures: view 3 is dark and view 8 bright."""

    def by_id(self, images: np.ndarray) -> dict[int, torch.Tensor]:
        return {int(image): VIEWS[IDS.tolist().index(image)] for image in images}


def test_the_nearest_patch_of_each_component_is_its_crop():
    columns = ["component", "rank", "image", "top", "left", "height", "width"]
    patches = pd.DataFrame(
        [[1, 0, 8, 1, 2, 2, 2], [0, 1, 8, 0, 0, 2, 2], [0, 0, 3, 2, 0, 2, 2], [1, 1, 3, 0, 0, 2, 2]], columns=columns
    )
    crops = patch_crops(Views(), patches, size=None)
    assert list(crops) == [0, 1]
    np.testing.assert_array_equal(crops[0], VIEWS[0, :, 2:4, 0:2].permute(1, 2, 0))
    np.testing.assert_array_equal(crops[1], VIEWS[1, :, 1:3, 2:4].permute(1, 2, 0))
    assert {crop.shape for crop in patch_crops(Views(), patches, size=(3, 4)).values()} == {(3, 4, 3)}


def test_the_examples_have_the_median_and_the_largest_change_up_or_down(model):
    probabilities = {"none": [0.5, 0.9, 0.5], "crop": [0.6, 0.2, 0.8]}  # changes of 0.1, -0.7 and 0.3
    rows = known(probabilities | dict.fromkeys(("zeros", "shuffled"), probabilities["none"]))
    pictures = SimpleNamespace(model=model, by_id=lambda images: dict.fromkeys(images.tolist(), VIEWS[0]))
    median, largest = insertion_examples(pictures, rows, CROP, "bottom_right", seed=0)
    assert (median.probabilities["none"][0], median.probabilities["crop"][0]) == (0.5, 0.6)
    assert (largest.probabilities["none"][0], largest.probabilities["crop"][0]) == (0.9, 0.2)


def test_each_component_has_rows_of_its_own_and_a_pair_without_any_keeps_one(model):
    rises = {0: 0.3, 1: 0.1}
    tables = [
        known({"none": [0.1], "crop": [0.1 + rise], "zeros": [0.1], "shuffled": [0.1]}).assign(component=component)
        for component, rise in rises.items()
    ]
    table = insertion_summary(pd.concat([*tables, skipped_insertion(model, (0, 2), "no component")]))
    effect = table[table["condition"] == "crop-shuffled"].set_index("component")["change_first"]
    assert effect.to_dict() == pytest.approx(rises)
    assert table["status"].value_counts().to_dict() == {"ok": 12, "skipped": 1}
    assert table.iloc[-1]["reason"] == "no component"


def test_a_bootstrap_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(values, seed=1) != (low, high)
