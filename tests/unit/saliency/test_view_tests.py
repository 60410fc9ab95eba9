"""The tests of a view's maps: subjects, maps and rows stay together, and the truth is looked for where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.saliency.known_concepts import KnownConcepts
from conceptrast.saliency.subject_maps import grid_of, subject_maps, target_probabilities, without_activations
from conceptrast.saliency.subjects import skip_subjects, usable
from conceptrast.saliency.view_tests import view_faithfulness, view_randomisation, view_truth, with_chance

from .colour_squares import CORNERS, PAIRED, SIDE, Colours, split_of, squares, subjects


def corner_of(values: np.ndarray) -> int:
    """The quarter of a map that has its mass."""
    return int(np.argmax([values[top : top + 8, left : left + 8].sum() for top, left in CORNERS]))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_maps_come_in_the_order_of_subjects_whatever_the_batches(batch_size: int) -> None:
    pictures = squares(batch_size)
    chosen = subjects([(1, "class", 0, -1), (0, "class", 1, -1), (2, "class", 0, -1), (0, "difference", 0, 1)])
    maps = subject_maps(pictures, split_of(pictures), chosen, ["grad_cam"])["grad_cam"]
    assert [corner_of(values) for values in maps] == [2, 1, 3, 0]
    assert grid_of(pictures, "relu") == (4, 4)


def test_without_subjects_there_are_no_maps_and_no_rows_but_their_columns() -> None:
    pictures = squares()
    none = PAIRED.head(0)
    maps = subject_maps(pictures, split_of(pictures), none, ["grad_cam"])
    assert maps["grad_cam"].shape == (0, SIDE, SIDE)
    everything = with_chance(maps, (4, 4), 0)
    assert [method.maps.shape for method in everything] == [(0, SIDE, SIDE)] * 3
    assert view_faithfulness(pictures=pictures, subjects=none, maps=everything, percentiles=[50], seed=0).empty
    assert "score" in view_faithfulness(pictures=pictures, subjects=none, maps=everything, percentiles=[50], seed=0)
    assert "rank_correlation" in view_randomisation(
        pictures=pictures, layer="relu", subjects=none, methods=["grad_cam"], seed=0
    )
    assert "own_mass" in view_truth(pictures=pictures, layer="relu", subjects=none, maps=everything, known=None)


def test_a_picture_without_activations_is_set_aside_with_the_reason() -> None:
    pictures = squares()
    chosen = subjects([(3, "predicted", 0, -1), (0, "predicted", 0, -1)])
    empty = without_activations(pictures, split_of(pictures), chosen)
    assert empty.tolist() == [True, False]
    aside = skip_subjects(chosen, empty, "relu")
    assert aside["status"].tolist() == ["skipped", "ok"]
    assert aside["reason"][0] == "relu gives activations that are zero throughout for image 3"
    assert usable(aside)["image"].tolist() == [0]
    assert without_activations(pictures, split_of(pictures), chosen.head(0)).shape == (0,)


def test_probabilities_are_of_what_each_map_speaks_for() -> None:
    logits = torch.tensor([2.5, 2.5, 0.0])
    probabilities = target_probabilities(squares(), PAIRED)
    assert np.allclose(probabilities, [float(logits.softmax(0)[0])] * 2 + [0.5] * 2)


def test_the_truth_is_that_of_each_image_and_a_difference_leaves_the_shared_colour() -> None:
    pictures = squares()
    maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
    everything = with_chance(maps, (4, 4), 0)
    boxes = [
        (image, name, *CORNERS[at])
        for image, red, green in ((0, 0, 1), (2, 3, 0))
        for name, at in (("red", red), ("green", green))
    ]
    truth = pd.DataFrame(boxes, columns=["image", "concept", "top", "left"]).assign(height=8, width=8)
    known = KnownConcepts(truth, {(0, 1): ("red", "green")})
    rows = view_truth(pictures=pictures, layer="relu", subjects=PAIRED, maps=everything, known=known)
    grad_cam = rows[rows["method"] == "grad_cam"]
    assert grad_cam["target_kind"].value_counts().to_dict() == {"class": 2, "difference": 2}
    assert grad_cam["hit"].all()
    assert (grad_cam["own_mass"] > 0.8).all()
    assert set(rows["baseline"]) == {"none", "random", "centre"}
    assert (rows["versus"] == 1).all()
    # Each box is enlarged by half a position, two pixels: the blob in the middle lies in all of them alike.
    blob = rows[rows["baseline"] == "centre"]
    assert np.allclose(blob["own_mass"], blob["shared_mass"])
    with_margin = everything[2].maps[0][:10, :10].sum() / everything[2].maps[0].sum()
    assert np.allclose(blob["own_mass"], with_margin)
    other_pair = KnownConcepts(truth, {(1, 0): ("green", "red")})
    assert view_truth(pictures=pictures, layer="relu", subjects=PAIRED, maps=everything, known=other_pair).empty


def test_curves_belong_to_their_subjects_and_do_not_depend_on_batches() -> None:
    tables = []
    for batch_size in (1, 4):
        pictures = squares(batch_size)
        maps = subject_maps(pictures, split_of(pictures), PAIRED, ["grad_cam"])
        tables.append(
            view_faithfulness(
                pictures=pictures, subjects=PAIRED, maps=with_chance(maps, (4, 4), 0), percentiles=[50], seed=0
            )
        )
    keys = ["image", "target_kind", "method", "baseline", "metric", "share"]
    one, other = (rows.sort_values(keys, ignore_index=True) for rows in tables)
    pd.testing.assert_frame_equal(one, other)
    start = one[(one["metric"] == "deletion") & (one["share"] == 0.0)]
    assert np.allclose(start.loc[start["target_kind"] == "difference", "score"], 0.5)
    assert (start.loc[start["target_kind"] == "class", "score"] < 0.5).all()
    gone = one[(one["metric"] == "deletion") & (one["share"] == 0.5) & (one["target_kind"] == "difference")]
    # Without the red square, which the map points at, the picture is green.
    assert (gone.loc[gone["method"] == "grad_cam", "score"] < 0.2).all()


def test_differences_take_no_part_in_the_randomisation_and_untraceable_networks_are_skipped() -> None:
    rows = view_randomisation(
        pictures=squares(), layer="relu", subjects=PAIRED, methods=["grad_cam", "eigen_cam"], seed=0
    )
    assert set(rows["target_kind"]) == {"class"}
    assert rows.groupby("method")["image"].nunique().to_dict() == {"eigen_cam": 2, "grad_cam": 2}
    assert (rows["status"] == "ok").all()

    class Untraceable(Colours):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) if images.sum() > -1 else images

    pictures = squares()
    pictures.model.module = Untraceable().eval()
    skipped = view_randomisation(pictures=pictures, layer="relu", subjects=PAIRED, methods=["grad_cam"], seed=0)
    assert skipped["status"].tolist() == ["skipped"]
    assert "cannot be traced" in skipped["reason"][0]
