"""What components hold, and what those of digits and of texture carry, on patches that are placed by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from conceptrast.concepts.importance_truth import COLUMNS, component_kinds, importance_truth

ON_3 = (0, 0)
ON_PORTRAIT = (48, 0)
NOWHERE = (64, 64)


@pytest.fixture
def index() -> pd.DataFrame:
    return pd.DataFrame({"image": range(10), "label": 0, "label_name": "3"})


@pytest.fixture
def truth() -> pd.DataFrame:
    boxes = (("3", 4, 4), ("portrait", 52, 4))
    return pd.DataFrame(
        {"image": image, "concept": concept, "top": top, "left": left, "height": 24, "width": 24, "faint": False}
        for image in range(10)
        for concept, top, left in boxes
    )


def patches(places: dict[str, list[list[tuple[int, int]]]]) -> pd.DataFrame:
    rows = [
        {"class": 0, "recipe": "ours", "component": component, "selection": selection, "rank": rank, "image": rank}
        | {"top": top, "left": left, "height": 32, "width": 32}
        for selection, lines in places.items()
        for component, line in enumerate(lines)
        for rank, (top, left) in enumerate(line)
    ]
    return pd.DataFrame(rows)


def test_components_hold_true_concepts_other_things_or_texture(index, truth) -> None:
    places = [[ON_3] * 6 + [NOWHERE] * 2, [ON_PORTRAIT] * 6 + [NOWHERE] * 2, [ON_3] * 5 + [NOWHERE] * 3]
    kinds = component_kinds(patches({"exclude_target": places, "all": places}), index, truth)
    assert kinds["kind"].tolist() == ["true", "other", "texture"]


def test_what_was_planted_in_the_class_is_no_texture(index, truth) -> None:
    planted = {"exclude_target": [[NOWHERE] * 8], "all": [[ON_PORTRAIT] * 8]}
    assert component_kinds(patches(planted), index, truth)["kind"].tolist() == ["other"]


def importance(drops: dict[int, list[float]], target: int = 0) -> pd.DataFrame:
    """Drops of each component, one for each image."""
    return pd.DataFrame(
        {"class": target, "class_name": f"class {target}", "recipe": "ours", "image": image, "component": component}
        | {"logit_drop": drop}
        for component, values in drops.items()
        for image, drop in enumerate(values)
    )


def kinds_of(*names: str, target: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"class": target, "recipe": "ours", "component": range(len(names)), "kind": names})


def test_the_difference_is_that_of_means_within_images() -> None:
    rows = importance({0: [4.0, 6.0], 1: [2.0, 4.0], 2: [1.0, 1.0], 3: [9.0, 9.0]})
    table = importance_truth(rows, kinds_of("true", "true", "texture", "other"))
    assert table.columns.tolist() == list(COLUMNS)
    first, everything = table.to_dict("records")
    assert (first["true"], first["texture"], first["difference"]) == (4.0, 1.0, 3.0)
    assert (first["difference_low"], first["difference_high"]) == (2.0, 4.0)
    assert (first["n_true"], first["n_texture"], first["n_other"], first["n_images"]) == (2, 1, 1, 2)
    assert everything["class_name"] == "all classes"
    assert everything["difference"] == 3.0


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (("true", "true"), "no component holds texture alone"),
        (("texture", "other"), "no component holds a true concept"),
    ],
)
def test_a_class_that_lacks_a_kind_is_skipped_with_the_reason(kinds, reason) -> None:
    rows = importance({0: [4.0], 1: [2.0]})
    table = importance_truth(rows, kinds_of(*kinds))
    assert table["status"].tolist() == ["skipped", "skipped"]
    assert table["reason"].tolist() == [reason, "no classes with both kinds of component"]
    assert table["difference"].isna().all()


def test_components_without_patches_outside_their_class_are_of_no_kind() -> None:
    table = importance_truth(importance({0: [4.0]}), kinds_of())
    assert table["status"].tolist() == ["skipped", "skipped"]
    assert table[["n_true", "n_texture", "n_other"]].to_numpy().tolist() == [[0, 0, 0]] * 2


def test_all_classes_count_every_image_of_those_that_have_both() -> None:
    rows = pd.concat([importance({0: [4.0], 1: [1.0]}), importance({0: [2.0], 1: [2.0]}, target=1)])
    kinds = pd.concat([kinds_of("true", "texture"), kinds_of("true", "texture", target=1)])
    everything = importance_truth(rows, kinds).iloc[-1]
    assert (everything["n_images"], everything["difference"]) == (2, 1.5)
