"""Edits: a(t) worked out by hand, what a layer cannot give, and random twins of the same places and sizes."""

from __future__ import annotations

import pytest
import torch

from conceptrast.base.errors import LayerError, ShapeError
from conceptrast.counterfactual.edits import Edit, Edits, along, located, random_twin, uniform
from conceptrast.counterfactual.search import counterfactuals
from conceptrast.models.split import SplitModel

from .toys import colours, subject_of_toy, toy


def edit_of(change: torch.Tensor, order: torch.Tensor | None = None, layer: str = "0") -> Edit:
    return Edit("transplant", "none", "cells of blue", layer, change, order)


def plain_edits(starts: torch.Tensor, changes: torch.Tensor, orders: torch.Tensor, rectified: bool = False) -> Edits:
    places = orders.flatten(1).amax(dim=1) + 1
    return Edits(starts, changes, orders.float(), places.float(), rectified)


def test_positions_change_one_after_the_other_in_their_order():
    """Three places: at t = 1/2 the first has changed, the second by half, the third not at all."""
    edits = plain_edits(torch.ones(1, 1, 1, 4), torch.full((1, 1, 1, 4), 4.0), torch.tensor([[[0, 1, 2, 0]]]))
    assert edits.at(torch.tensor([0.5])).flatten().tolist() == [5, 3, 1, 5]
    assert edits.at(torch.tensor([0.0])).flatten().tolist() == [1, 1, 1, 1]
    assert edits.at(torch.tensor([1.0])).flatten().tolist() == [5, 5, 5, 5]


def test_without_an_order_all_positions_change_together():
    *_, activations = toy()
    split = SplitModel(colours(), "0")
    change = torch.rand(3, 4, 4)
    edits = Edits.of(split, activations[:1], [edit_of(change)])
    assert torch.allclose(edits.at(torch.tensor([0.25])), activations[:1] + change / 4)


def test_some_of_the_ways_are_moved_alone():
    edits = plain_edits(torch.zeros(3, 1, 1, 1), torch.tensor([1.0, 2, 4]).view(3, 1, 1, 1), torch.zeros(3, 1, 1))
    assert edits.at(torch.tensor([0.5, 1.0]), torch.tensor([2, 0])).flatten().tolist() == [2, 1]


def test_nothing_is_negative_where_the_layer_is_rectified():
    model = colours()
    starts = torch.rand(2, 3, 4, 4)
    changes = [edit_of(-2 * torch.rand(3, 4, 4), layer=layer) for layer in "01"]
    least = {}
    for layer, edit in zip("01", changes, strict=True):
        edits = Edits.of(SplitModel(model, layer), starts, [edit, edit])
        least[layer] = float(edits.at(torch.ones(2)).min())
    assert least["0"] < 0
    assert least["1"] == 0


def test_starts_stay_as_they_were():
    starts = torch.rand(1, 2, 3, 3)
    before = starts.clone()
    plain_edits(starts, -torch.ones_like(starts), torch.zeros(1, 3, 3), rectified=True).at(torch.ones(1))
    assert torch.equal(starts, before)


def test_a_change_is_as_long_as_the_limit_says():
    activations = torch.rand(3, 4, 4)
    vector = torch.tensor([1.0, -2.0, 0.5])
    for change in (
        uniform(activations, vector, limit=0.7),
        located(activations, 100 * vector, torch.rand(4, 4), limit=0.7),
        along(activations, torch.randn(3, 4, 4), limit=0.7),
    ):
        assert float(change.norm() / activations.norm()) == pytest.approx(0.7)


def test_a_located_vector_changes_the_positions_with_weight_alone():
    weights = torch.zeros(4, 4)
    weights[1, 2] = 3
    weights[3, 0] = 4
    change = located(torch.ones(2, 4, 4), torch.tensor([0.0, 2.0]), weights, limit=1.0)
    assert change.any(dim=0).nonzero().tolist() == [[1, 2], [3, 0]]
    assert float(change[1, 1, 2] / change[1, 3, 0]) == pytest.approx(0.75)
    assert edit_of(change).cells == 2


def test_a_direction_that_is_zero_changes_nothing():
    assert not along(torch.ones(2, 2, 2), torch.zeros(2, 2, 2), limit=1.0).any()


@pytest.mark.parametrize("kind", ["vector", "map"])
def test_a_random_twin_changes_the_same_places_by_the_same_size(kind: str):
    change = torch.randn(5, 3, 3) * (torch.arange(9).view(3, 3) % 2)
    edit = edit_of(change, torch.arange(9).view(3, 3))
    twin = random_twin(edit, seed=3, image=7, kind=kind)
    assert torch.allclose(twin.change.norm(dim=0), change.norm(dim=0), atol=1e-6)
    assert torch.equal(twin.order, edit.order)
    assert twin.origin == "random"
    assert torch.equal(twin.change, random_twin(edit, seed=3, image=7, kind=kind).change)
    for other in (random_twin(edit, seed=3, image=8, kind=kind), random_twin(edit, seed=4, image=7, kind=kind)):
        assert not torch.allclose(twin.change, other.change)


def test_one_random_vector_goes_everywhere_and_a_map_has_its_own_at_each_place():
    edit = edit_of(torch.ones(4, 2, 2))
    vector, many = (random_twin(edit, 0, 1, kind).change.flatten(1).T for kind in ("vector", "map"))
    assert torch.allclose(vector, vector[:1].expand_as(vector))
    assert not torch.allclose(many, many[:1].expand_as(many))


def test_what_does_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"changes activations \[C, h, w\], got \[3\]"):
        edit_of(torch.ones(3))
    with pytest.raises(ShapeError, match=r"order \[2, 3\] of \[2, 2\] positions"):
        edit_of(torch.ones(3, 2, 2), torch.zeros(2, 3))
    with pytest.raises(ShapeError, match=r"edit transplant \(cells of blue\) is zero throughout"):
        edit_of(torch.zeros(3, 2, 2))


def test_an_edit_of_another_shape_or_another_layer_is_refused():
    layer, activations = subject_of_toy()
    with pytest.raises(ShapeError, match=r"transplant \[3, 2, 2\] does not fit activations \[3, 4, 4\] of 0"):
        counterfactuals(layer, activations[:1], [[edit_of(torch.ones(3, 2, 2))]], 2)
    with pytest.raises(LayerError, match="in '1' cannot be decoded by the decoder of '0'"):
        counterfactuals(layer, activations[:1], [[edit_of(torch.ones(3, 4, 4), layer="1")]], 2)
