"""Contrastive components: what lies on either side of a plane that is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.errors import ConceptrastError, LayerError
from conceptrast.base.files import write_arrays
from conceptrast.concepts.nmf import NothingToFactorizeError
from conceptrast.contrast.components import (
    by_side,
    contrast_sets,
    contrastive_components,
    own_side,
    pair_table,
    patches_of_pair,
    plane_of,
    set_owners,
    sides_of,
)
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.hyperplanes import NO_PLANE, Hyperplane

# Channel 0 speaks for class 3, channel 2 for class 5; channel 1 is in both.
PLANE = Hyperplane(np.array([-1.0, 0.0, 1.0], np.float32), 0.0)


def activations(*positions: tuple[float, float, float]) -> torch.Tensor:
    """One image with these vectors in a row: ``[1, 3, 1, n]``."""
    return torch.tensor(positions).T[None, :, None, :]


OF_3 = activations((4.0, 0.0, 0.0), (0.0, 3.0, 0.0), (2.0, 0.0, 0.0), (0.0, 0.0, 1.0))
OF_5 = activations((0.0, 0.0, 3.0), (0.0, 2.0, 0.0), (0.0, 4.0, 4.0), (1.0, 0.0, 0.0))


def test_each_side_is_the_distance_there_and_zero_beyond():
    np.testing.assert_allclose(own_side(PLANE, OF_3), [[[8**0.5, 0, 2**0.5, 0]]], rtol=1e-6)
    np.testing.assert_allclose(own_side(PLANE.reversed(), OF_3), [[[0, 0, 0, 0.5**0.5]]], rtol=1e-6)


def test_only_what_lies_on_the_own_side_is_factorized():
    result = contrastive_components(OF_3, PLANE, n_components=1)
    direction = result.components[0] / result.components[0].max()
    assert direction.round(4).tolist() == [1, 0, 0]
    assert result.error < 1e-3
    assert result.strength.tolist() == [1]


def test_the_bias_moves_the_plane_with_the_normal():
    """The published code flips the normal alone; then a position could lie on both sides, or on none."""
    plane = Hyperplane(PLANE.normal, 2.0)
    here = own_side(plane, OF_3)
    there = own_side(plane.reversed(), OF_3)
    assert (here * there == 0).all()
    np.testing.assert_allclose(there - here, plane.distances(OF_3).numpy(), rtol=1e-6)


def test_components_come_strongest_first():
    result = contrastive_components(
        activations((9.0, 0.0, 0.0), (1.0, 4.0, 0.0)), Hyperplane(np.array([-1.0, -1.0, 0.0], np.float32), 0.0), 2
    )
    assert result.strength.tolist() == sorted(result.strength, reverse=True)
    assert result.strength.sum() == pytest.approx(1)
    assert result.components[0].argmax() == 0


def test_nothing_on_a_side_negative_activations_and_a_zero_normal_are_errors():
    with pytest.raises(NothingToFactorizeError):
        contrastive_components(activations((0.0, 0.0, 1.0)), PLANE, 1)
    with pytest.raises(LayerError, match="rectify: true"):
        contrastive_components(activations((2.0, -1.0, 0.0)), PLANE, 1)
    assert contrastive_components(activations((2.0, -1.0, 0.0)), PLANE, 1, rectify=True).components[0, 1] == 0
    with pytest.raises(ConceptrastError, match="no separating plane"):
        contrastive_components(OF_3, Hyperplane(np.zeros(3, np.float32), 0.0), 1)


@pytest.fixture
def sets() -> dict[str, np.ndarray]:
    """3 against 5, and a random plane that leaves nothing of 5 on its side."""
    never = Hyperplane(np.array([0.0, 0.0, 1.0], np.float32), -100.0)
    planes = {"none": {(3, 5): PLANE}, "random_direction": {(3, 5): never}}
    return contrast_sets([(3, OF_3), (5, OF_5), (7, OF_3)], planes, n_components=1)


def test_every_class_is_factorized_on_its_side_of_every_plane(sets):
    names = zip(*(sets[name].tolist() for name in ("first", "second", "baseline", "side")), strict=True)
    assert list(names) == [(3, 5, "none", "for"), (3, 5, "random_direction", "for"), (3, 5, "none", "against")]
    assert set_owners(sets).tolist() == [3, 3, 5]
    assert sets["skipped"].tolist() == [[3, 5]]
    assert sets["skipped_baseline"].tolist() == ["random_direction"]
    assert "no position lies on the side of class 5" in sets["skipped_reason"][0]
    speaks_for_5 = sets["components"][2, 0]
    assert speaks_for_5[2] > 0
    assert speaks_for_5[0] == 0


def test_sides_are_the_same_in_other_batches_and_alone(sets, monkeypatch):
    planes = {"none": {(3, 5): PLANE, (3, 7): Hyperplane(np.array([-1.0, -2.0, 1.0], np.float32), 0.5)}}
    together = contrast_sets([(3, OF_3)], planes, n_components=2, seed=1)
    monkeypatch.setattr("conceptrast.contrast.components.BATCH_BYTES", 1)
    one_by_one = contrast_sets([(3, OF_3)], planes, n_components=2, seed=1)
    for name, values in together.items():
        assert np.array_equal(one_by_one[name], values)
    alone = contrastive_components(OF_3, PLANE, n_components=2, seed=1)
    assert np.array_equal(alone.components, together["components"][0])
    plain = contrast_sets([(3, OF_3)], planes, n_components=2, seed=1, solver="sklearn")
    np.testing.assert_allclose(plain["error"], together["error"], atol=1e-2)


def test_a_pair_is_found_either_way_round(sets):
    assert sides_of((5, 3), sets["first"], sets["second"], sets["side"]).tolist() == ["against", "against", "for"]
    one = by_side(sets, "components", (3, 5))
    other = by_side(sets, "components", (5, 3))
    assert np.array_equal(one["for"], other["against"])
    assert np.array_equal(one["against"], other["for"])
    assert by_side(sets, "components", (3, 7)) == {}


def test_patches_of_a_pair_are_its_own_over_all_images():
    rows = [
        (3, 5, "none", "for", "all", 10),
        (3, 5, "none", "against", "all", 11),
        (3, 5, "none", "for", "exclude_target", 12),
        (3, 5, "random_direction", "for", "all", 13),
        (3, 7, "none", "for", "all", 14),
    ]
    table = pd.DataFrame(rows, columns=["first", "second", "baseline", "side", "selection", "image"])
    patches = patches_of_pair(table, (5, 3))
    assert dict(zip(patches["side"], patches["image"], strict=True)) == {"against": 10, "for": 11}


@pytest.fixture
def planes(tmp_path) -> Planes:
    """A file with the plane between 3 and 5, and none between 5 and 9."""
    arrays = {"first": [3], "second": [5], "normals": PLANE.normal[None], "biases": [0.0], "train_accuracy": [1.0]}
    arrays |= {"heldout_accuracy": [0.5], "lengths": [2**0.5], "skipped": [[5, 9]]}
    write_arrays(tmp_path / "0.npz", {f"{name}_zero": np.array(values) for name, values in arrays.items()})
    return Planes([tmp_path / "0.npz"], "zero", [(3, 5), (5, 3), (5, 9)])


def test_a_pair_that_cannot_be_contrasted_has_a_row_with_the_reason(sets, planes):
    """What a chance row could not factorize says nothing of the pair itself."""
    names = [f"class {number}" for number in range(10)]
    pair_rows = pair_table(pairs=[(3, 5), (3, 8), (5, 9)], names=names, planes=planes, usable={3, 5, 9}, sets=sets)
    assert pair_rows["status"].tolist() == ["ok", "skipped", "skipped"]
    assert pair_rows["reason"][1].startswith("no features of class 8: fewer than min_images")
    assert pair_rows["reason"][2] == NO_PLANE
    assert pair_rows["heldout_accuracy"][0] == 0.5
    assert pair_rows["normal_length"][0] == pytest.approx(2**0.5)
    assert pair_rows[["error_for", "removed_against"]].notna().all(axis=1).tolist() == [True, False, False]


def test_a_pair_named_the_other_way_round_is_seen_by_the_plane_it_was_contrasted_by(sets, planes):
    turned = plane_of(sets, planes, (5, 3))
    assert turned.normal.tolist() == (-PLANE.normal).tolist()
    assert plane_of(sets, planes, (3, 5)).normal.tolist() == PLANE.normal.tolist()
