"""Contrast recovery from masses and patches whose content is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.errors import DataError
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.recovery import (
    contrast_recovery_summary,
    mass_in_cells,
    mass_table,
    sharing_pairs,
    side_mass,
    strongest_table,
)

CONCEPTS = {0: ["3", "7"], 1: ["3", "8"], 2: ["0", "1"]}
SHARING = {(0, 1): ("7", "3"), (1, 0): ("8", "3")}


def test_pairs_share_one_concept_and_differ_in_one():
    assert sharing_pairs(CONCEPTS, [0, 1, 2]) == SHARING
    assert sharing_pairs(CONCEPTS, [0, 2]) == {}


@pytest.mark.parametrize(("side", "expected"), [(6, 4.0), (3, 1.0)])
def test_a_cell_holds_the_mass_of_its_positions(side, expected):
    """The cell of 32 pixels in the upper right of a view of 96: four of 6×6 positions, one of 3×3."""
    mass = np.zeros((side, side))
    mass[: side // 3, -(side // 3) :] = 1
    boxes = np.array([(2, 66, 20, 28), (34, 66, 20, 28)])
    assert mass_in_cells(np.stack([mass, mass]), boxes, (96, 96), 32).tolist() == [expected, 0]


def test_a_position_that_a_cell_cuts_counts_in_part():
    mass = mass_in_cells(np.array([[[1.0, 1.0]]]), np.array([(0, 0, 30, 30)]), (32, 96), 32)
    assert mass == pytest.approx(2 / 3)


def test_mass_is_distance_on_the_own_side_times_mean_activation():
    plane = Hyperplane(np.array([-2.0, 0.0], np.float32), 0.0)
    activations = torch.tensor([[[[3.0, 0.0]], [[1.0, 4.0]]]])
    assert side_mass(plane, activations).tolist() == [[[6.0, 0.0]]]


@pytest.fixture
def truth() -> pd.DataFrame:
    """Pictures of 64 pixels in cells of 32: the own digit above left, the shared one below right."""
    rows = []
    for image, digit in ((0, "7"), (1, "7"), (2, "8"), (3, "8")):
        rows += [(image, digit, 4, 4, 20, 20, image == 3), (image, "3", 36, 36, 20, 20, False)]
    return pd.DataFrame(rows, columns=["image", "concept", "top", "left", "height", "width", "faint"])


def test_masses_of_both_orders_come_from_one_plane(truth):
    plane = Hyperplane(np.array([-1.0, 1.0], np.float32), 0.0)  # channel 0 for class 0, channel 1 for class 1
    of_0 = torch.zeros(2, 2, 2, 2)
    of_1 = torch.zeros(1, 2, 2, 2)
    of_0[0, 0, 0, 0] = of_0[1, 0, 1, 1] = of_1[0, 1, 0, 0] = 2
    images = {0: np.array([0, 1]), 1: np.array([2])}
    masses = mass_table(
        classes=[(0, of_0), (1, of_1)],
        images=images,
        planes={"none": {(0, 1): plane}},
        sharing=SHARING,
        truth=truth,
        view=(64, 64),
        cell=32,
    )
    assert masses[["from_class", "to_class", "image"]].to_numpy().tolist() == [[0, 1, 0], [0, 1, 1], [1, 0, 2]]
    assert (masses["own"] > masses["shared"]).tolist() == [True, False, True]


def test_a_picture_that_the_model_misnames_does_not_count(truth):
    plane = Hyperplane(np.array([-1.0], np.float32), 0.0)
    masses = mass_table(
        classes=[(0, torch.ones(1, 1, 2, 2))],
        images={0: np.array([2])},
        planes={"none": {(0, 1): plane}},
        sharing=SHARING,
        truth=truth,
        view=(64, 64),
        cell=32,
    )
    assert masses.empty


def patches(side: str, component: int, image: int, top: int, n: int, start: int = 0) -> list[tuple]:
    return [(0, 1, "none", side, "all", component, start + rank, image, top, top, 32, 32) for rank in range(n)]


COLUMNS = ["first", "second", "baseline", "side", "selection", "component", "rank", "image", "top", "left"]


def test_the_strongest_component_that_holds_a_digit_counts(truth):
    """Class 0's strongest component holds nothing, its second the own digit; class 1's the shared one, as its patches
    of the own digit come from a picture in which it is faint."""
    rows = (
        patches(side="for", component=0, image=0, top=16, n=8)
        + patches(side="for", component=1, image=0, top=0, n=6)
        + patches(side="for", component=1, image=0, top=32, n=2, start=6)
    )
    rows += patches(side="against", component=0, image=3, top=0, n=8) + patches(
        side="against", component=1, image=2, top=32, n=8
    )
    table = pd.DataFrame(rows, columns=[*COLUMNS, "height", "width"])
    strongest = strongest_table(table, SHARING, truth)
    real = strongest[strongest["baseline"] == "none"]
    assert real["own"].tolist() == ["7", "8"]
    assert real["component"].tolist() == [1, 1]
    assert real["concept"].tolist() == ["7", "3"]
    # A contrast that could not be factorized keeps its row, and counts as one without a concept.
    assert strongest[strongest["baseline"] == "random_direction"]["concept"].isna().tolist() == [True, True]


def test_too_few_patches_with_a_digit_hold_none(truth):
    rows = patches(side="for", component=0, image=0, top=0, n=5) + patches(
        side="for", component=0, image=0, top=16, n=3, start=5
    )
    strongest = strongest_table(pd.DataFrame(rows, columns=[*COLUMNS, "height", "width"]), SHARING, truth)
    assert strongest["concept"].isna().all()


def test_without_contrasts_there_are_no_rows_and_no_error(truth):
    table = pd.DataFrame(patches(side="for", component=0, image=0, top=0, n=8), columns=[*COLUMNS, "height", "width"])
    assert strongest_table(table, {}, truth).empty
    assert strongest_table(table.iloc[:0], SHARING, truth)["concept"].isna().all()
    assert contrast_recovery_summary(pd.DataFrame({"baseline": []}), strongest_table(table, {}, truth)).empty


def test_concepts_belong_to_the_models_classes_whatever_the_labels():
    index = pd.DataFrame({"image": [0, 1], "label": [0, 1], "label_name": ["3+7", "3+8"]})
    known = pd.DataFrame({"image": [0, 0, 1, 1], "concept": ["3", "7", "3", "8"]})
    assert concepts_by_class(index, known, ["3+8", "0+1", "3+7"]) == {2: ["3", "7"], 0: ["3", "8"]}
    assert concepts_by_class(index, known, ["3+8"]) == {0: ["3", "8"]}


def test_a_dataset_without_truth_is_named(truth):
    table = pd.DataFrame(patches(side="for", component=0, image=0, top=0, n=8), columns=[*COLUMNS, "height", "width"])
    with pytest.raises(DataError, match="truth table"):
        strongest_table(table, SHARING, truth.iloc[:0])


def test_the_summary_counts_ties_and_missing_concepts_as_misses():
    masses = pd.DataFrame({"baseline": "none", "own": [2.0, 1.0, 0.0, 5.0], "shared": [1.0, 1.0, 0.0, 0.0]})
    strongest = pd.DataFrame({"baseline": "none", "own": ["7", "8"], "concept": ["7", None]})
    row = contrast_recovery_summary(masses, strongest).iloc[0]
    assert (row["mass_share"], row["component_share"], row["n_without"]) == (0.5, 0.5, 1)
    assert row["mass_low"] < 0.5 < row["mass_high"]
