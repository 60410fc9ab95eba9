"""Recovery and purity of components whose patches are placed by hand."""

import numpy as np
import pandas as pd
import pytest

from conceptrast.base.errors import DataError
from conceptrast.concepts.recovery import (
    best_patches,
    concept_recovery,
    covered,
    recovery_summary,
    refuse_other_size,
    true_concepts,
)

NAMES = ["3+7"]
ON_3 = (0, 0)
ON_7 = (0, 32)
NOWHERE = (64, 64)
ON_BOTH = (0, 16)


@pytest.fixture
def index() -> pd.DataFrame:
    return pd.DataFrame({"image": range(12), "label": 0, "label_name": "3+7"})


@pytest.fixture
def truth() -> pd.DataFrame:
    """In every picture a 3 at the top left, a 7 beside it; the 7 of picture 11 is faint."""
    rows = [
        {"image": image, "concept": concept, "top": 4, "left": left, "height": 24, "width": 24}
        | {"faint": image == 11 and concept == "7"}
        for image in range(12)
        for concept, left in (("3", 4), ("7", 36))
    ]
    return pd.DataFrame(rows)


def prototypes_at(places: list[list[tuple[int, int]]], images=None) -> pd.DataFrame:
    rows = []
    for component, line in enumerate(places):
        for rank, (top, left) in enumerate(line):
            image = rank if images is None else images[rank]
            place = {"image": image, "top": top, "left": left, "height": 32, "width": 32}
            rows.append({"class": 0, "recipe": "published", "component": component, "rank": rank} | place)
    return pd.DataFrame(rows).assign(selection="exclude_target")


def test_share_of_a_box_inside_a_patch() -> None:
    patches = np.array([[0, 0, 10, 10]] * 4)
    boxes = np.array([[2, 2, 4, 4], [5, 5, 10, 10], [20, 0, 5, 5], [10, 0, 5, 5]])
    assert covered(patches, boxes).tolist() == [1.0, 0.25, 0.0, 0.0]


def test_six_of_eight_patches_find_a_digit_and_five_do_not(index, truth) -> None:
    places = [[ON_3] * 6 + [NOWHERE] * 2, [ON_7] * 5 + [NOWHERE] * 3]
    recovery, purity = concept_recovery(prototypes_at(places), index, truth, NAMES)
    assert recovery[["concept", "found", "component", "hits", "n"]].to_numpy().tolist() == [
        ["3", True, 0, 6, 8],
        ["7", False, 1, 5, 8],
    ]
    assert purity[["concept", "purity", "n_patches"]].to_numpy().tolist() == [["3", 1.0, 6], ["7", 1.0, 5]]
    table = recovery_summary(recovery, purity)
    assert table[["n_concepts", "found", "recall", "purity", "n_components"]].iloc[0].tolist() == [2, 1, 0.5, 1.0, 2]


def test_half_of_a_box_is_enough(index, truth) -> None:
    # the box of the 3 spans columns 4..28: a patch that starts at 16 holds half of it, one at 17 less
    for left, hits in ((16, 8), (17, 0)):
        recovery, _ = concept_recovery(prototypes_at([[(0, left)] * 8]), index, truth[truth["concept"] == "3"], NAMES)
        assert recovery["hits"].tolist() == [hits]


def test_pictures_with_a_faint_digit_do_not_count(index, truth) -> None:
    prototypes = prototypes_at([[NOWHERE] * 2 + [ON_7] * 8], images=[11, 11, 0, 1, 2, 3, 4, 5, 6, 7])
    assert best_patches(prototypes, truth)["image"].tolist() == list(range(8))
    recovery, _ = concept_recovery(prototypes, index, truth, NAMES)
    assert recovery.loc[recovery["concept"] == "7", ["found", "hits"]].to_numpy().tolist() == [[True, 8]]


def test_only_the_selection_without_the_target_counts(truth) -> None:
    prototypes = prototypes_at([[ON_3] * 8]).assign(selection="all")
    assert best_patches(prototypes, truth).empty


def test_purity_counts_a_patch_for_what_it_covers_most(index, truth) -> None:
    wide = prototypes_at([[ON_3] * 5 + [(0, 20)] * 3])  # from column 20 on: a third of the 3, two thirds of the 7
    _, purity = concept_recovery(wide, index, truth, NAMES)
    assert purity[["concept", "purity", "n_patches"]].to_numpy().tolist() == [["3", 5 / 8, 8]]


def test_equal_cover_goes_to_the_concept_nearest_to_the_centre(index, truth) -> None:
    # 64 pixels wide: both digits lie inside, the 7 is nearer to the centre
    large = prototypes_at([[(0, 10)] * 8]).assign(width=64, left=2)
    _, purity = concept_recovery(large, index, truth, NAMES)
    assert purity["concept"].tolist() == ["3" if abs(2 + 32 - 16) < abs(2 + 32 - 48) else "7"]


def test_a_component_that_holds_nothing_has_no_purity(index, truth) -> None:
    recovery, purity = concept_recovery(prototypes_at([[NOWHERE] * 8]), index, truth, NAMES)
    assert purity["n_patches"].tolist() == [0]
    assert purity[["concept", "purity"]].isna().all(axis=None)
    assert recovery_summary(recovery, purity)["purity"].isna().all()


def test_concepts_are_what_every_picture_of_a_class_holds(index, truth) -> None:
    portraits = truth[truth["concept"] == "3"].assign(concept="portrait")
    both = pd.concat([truth, portraits])
    assert true_concepts(index, both) == {0: ["3", "7"]}
    assert true_concepts(index.assign(label_name="thing"), both) == {0: ["3", "7", "portrait"]}
    assert true_concepts(index.assign(label_name="thing"), pd.concat([truth, portraits[1:]])) == {0: ["3", "7"]}


def test_views_must_be_the_pictures() -> None:
    refuse_other_size((96, 96), (96, 96))
    with pytest.raises(DataError, match=r"96x96 pixels and the model sees 224x224"):
        refuse_other_size((96, 96), (224, 224))


def test_without_truth_there_is_nothing_to_recover(index, truth) -> None:
    with pytest.raises(DataError, match="needs a truth table"):
        concept_recovery(prototypes_at([[ON_3]]), index, truth[:0], NAMES)
