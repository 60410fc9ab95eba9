"""The edits of a pair: what is known of it, why an edit is missing, gradients that are known, random twins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from conceptrast.base.errors import LayerError, ShapeError
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.directions import Direction, strongest_component
from conceptrast.counterfactual.edit_kinds import EDIT_KINDS
from conceptrast.counterfactual.latent_shift import latent_shift_gradients
from conceptrast.counterfactual.log_probability import log_probability_gradients
from conceptrast.counterfactual.pair_edits import PairEdits, PairKnowledge, edits_towards, mean_where
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.models.injection import LayerValues

from .toys import subject_of_toy, toy

PAIR = (0, 2)
DONORS = torch.zeros(2, 3, 4, 4)
DONORS[:, 2] = 5.0
DONORS[1, 2, 0, 0] = 6.0
OTHERS = torch.zeros(1, 3, 4, 4)
OTHERS[:, 1] = 4.0
COMPONENTS = ClassComponents(np.eye(3, dtype=np.float32), np.ones(3), Windows(2, 2))


def everything() -> PairKnowledge:
    return PairKnowledge(
        plane=Hyperplane(np.array([-1.0, 0.0, 1.0]), 0.0),
        components=(COMPONENTS, COMPONENTS),
        cav=("concept 4 of blue", np.array([0.0, 0.0, 1.0])),
        donors=LayerValues(DONORS),
        others=OTHERS,
    )


def made(known: PairKnowledge, activations: Tensor | None = None, **options: float) -> PairEdits:
    layer, plain = subject_of_toy()
    # Off the ReLU's zero, where its gradient is 0.
    values = plain[:1].repeat(2, 1, 1, 1) + 1 if activations is None else activations
    images = [7, 9][: len(values)]
    return edits_towards(layer, images, LayerValues(values), PAIR, known, options=SearchOptions(**options))


def test_a_direction_that_is_no_vector_or_map_or_zero_is_named():
    with pytest.raises(ShapeError, match=r"is \[C\] or \[C, h, w\], got \[2, 2\]"):
        Direction("cav", "one", "layer3", torch.ones(2, 2))
    with pytest.raises(ShapeError, match=r"direction component \(3 of 7\) is zero throughout"):
        Direction("component", "3 of 7", "layer3", torch.zeros(2))


def test_a_direction_of_another_shape_or_layer_is_refused():
    for wrong in (torch.ones(5), torch.ones(3, 1, 1)):
        given = Direction("mine", "one", "0", wrong)
        with pytest.raises(ShapeError, match=r"direction mine \[.*\] does not fit activations \[3, 4, 4\] of 0"):
            made(PairKnowledge(directions=[given]))
    with pytest.raises(LayerError, match="a direction in 'layer9' cannot be decoded by the decoder of '0'"):
        made(PairKnowledge(directions=[Direction("mine", "one", "layer9", torch.ones(3))]))


def test_the_gradient_is_that_of_softmax_regression():
    """Logits are means of the channels: d log p_c / d a = (1[k = c] − p_k) / positions."""
    _, split, _, activations = toy()
    probabilities = activations.mean(dim=(2, 3)).softmax(dim=1)
    expected = (torch.tensor([0.0, 0.0, 1.0]) - probabilities) / 16
    # The suffix starts with a ReLU, whose gradient at 0 is 0: move the activations off it.
    gradients = log_probability_gradients(split, activations + 1e-4, target=2)
    assert torch.allclose(gradients, expected[:, :, None, None].expand_as(gradients), atol=1e-5)


def test_the_latent_shift_is_the_same_where_the_decoder_is_exact():
    layer, activations = subject_of_toy()
    inside = activations + 1  # colours strictly between 0 and 1, where the decoder does not clamp
    plain = log_probability_gradients(layer.split, inside, target=2)
    assert torch.allclose(latent_shift_gradients(layer, inside, target=2), plain, atol=1e-6)
    assert torch.equal(log_probability_gradients(layer.split, inside, target=2, batch_size=1), plain)


def test_gradients_do_not_vanish_where_the_probability_does():
    _, split, _, activations = toy()
    assert log_probability_gradients(split, 40 * activations + 1, target=2).abs().max() > 0.05


def test_the_strongest_component_counts_direction_and_not_length():
    gradients = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    assert strongest_component(torch.tensor([[100.0, 0.0], [0.0, 1e-3]]), gradients) == 1


def test_a_study_gives_all_it_knows_in_the_order_of_tables():
    edits = made(everything())
    vectors = ("means", "hyperplane", "component", "cav")
    assert list(edits.edits) == [
        ("transplant", "none"),
        ("swap", "component"),
        *(("located", vector) for vector in vectors),
        *(("uniform", vector) for vector in vectors),
        *(("gradient_times", vector) for vector in ("hyperplane", "cav")),
        ("gradient", "none"),
        ("latent_shift", "none"),
    ]
    assert list(edits.twins) == list(edits.edits)
    assert {kind for kind, _ in edits.edits} == set(EDIT_KINDS) - {"map", "pasted_cells"}
    assert {len(of_pictures) for of_pictures in (*edits.edits.values(), *edits.twins.values())} == {2}
    assert not edits.missing
    assert edits.edits["located", "component"][0].origin == "component 3 of blue"
    assert edits.edits["uniform", "hyperplane"][0].origin == "red to blue"
    assert edits.edits["located", "cav"][0].origin == "concept 4 of blue"
    assert edits.edits["swap", "component"][0].origin == "1 of red to 3 of blue"


def test_a_vector_goes_where_the_evidence_lies_and_as_far_as_the_limit_says():
    """Red evidence in one cell alone, so a located vector changes this cell alone."""
    activations = torch.zeros(1, 3, 4, 4)
    activations[0, 0, 2, 1] = 16.0
    edits = made(everything(), activations, limit=0.5)
    assert edits.edits["located", "hyperplane"][0].change.any(dim=0).nonzero().tolist() == [[2, 1]]
    assert edits.edits["uniform", "hyperplane"][0].cells == 16
    for (kind, direction), [edit] in edits.edits.items():
        if kind not in ("transplant", "swap"):
            assert float(edit.change.norm()) == pytest.approx(8, rel=1e-5), (kind, direction)


def test_the_vector_between_means_is_that_of_the_cells_with_evidence():
    """Red lies in one cell (16), blue in all cells (5): the vector is (−16, 0, 5), or −1 + 6/16 … of the donors."""
    activations = torch.zeros(1, 3, 4, 4)
    activations[0, 0, 2, 1] = 16.0
    donors = torch.zeros(1, 3, 4, 4)
    donors[0, 2] = 5.0
    [edit] = made(PairKnowledge(donors=LayerValues(donors)), activations).edits["uniform", "means"]
    vector = edit.change[:, 0, 0]
    torch.testing.assert_close(vector / vector.norm(), torch.tensor([-16.0, 0.0, 5.0]) / 281**0.5)


def test_a_mean_without_weights_is_none():
    assert mean_where(torch.ones(1, 2, 1, 1), torch.zeros(1, 1, 1)) is None


def test_what_is_not_known_has_a_reason():
    edits = made(PairKnowledge())
    assert list(edits.edits) == [("gradient", "none"), ("latent_shift", "none")]
    few = "fewer than min_images pictures are predicted as blue"
    assert edits.missing == {
        ("transplant", "none"): few,
        ("swap", "component"): few,
        ("located", "means"): few,
        ("located", "hyperplane"): "the pair has no hyperplane",
        ("located", "component"): "the second class has no components",
        ("located", "cav"): "no significant concept of the second class speaks for it",
    }
    lacking = made(dataclasses.replace(everything(), components=None)).missing
    assert lacking["swap", "component"] == "a class of the pair has no components"


def test_donors_that_nothing_speaks_for_have_a_reason():
    """Donors whose activations are zero: no cell speaks for blue, so nothing is transplanted, and there is no mean."""
    edits = made(dataclasses.replace(everything(), donors=LayerValues(torch.zeros(2, 3, 4, 4))))
    assert ("transplant", "none") not in edits.edits
    assert "speaks for it: nothing to transplant" in edits.missing["transplant", "none"]
    assert edits.missing["located", "means"] == "no position speaks for one of the classes"
    assert ("uniform", "means") not in edits.edits


def test_a_gradient_that_is_zero_is_no_edit_and_the_reason_is_given():
    edits = made(everything(), torch.zeros(2, 3, 4, 4) - 1)  # the ReLU lets nothing through
    reason = "the gradient of a picture is zero throughout, or its evidence"
    for name in (("gradient", "none"), ("latent_shift", "none"), ("located", "hyperplane"), ("gradient_times", "cav")):
        assert name not in edits.edits
        assert edits.missing[name] == reason
    assert ("uniform", "hyperplane") in edits.edits


def test_what_is_there_already_is_not_put_in():
    """Donor and picture are grey throughout: a part of the one changes nothing in the other."""
    same = torch.ones(1, 3, 4, 4)
    edits = made(PairKnowledge(donors=LayerValues(same), components=(COMPONENTS, COMPONENTS)), same)
    assert edits.missing["swap", "component"] == "what would be put into a picture is there already"


def test_a_random_twin_changes_the_same_positions():
    edits = made(everything())
    for name, of_pictures in edits.edits.items():
        for edit, twin in zip(of_pictures, edits.twins[name], strict=True):
            assert torch.equal(edit.change.any(dim=0), twin.change.any(dim=0)), name
            assert not torch.allclose(edit.change, twin.change)
            if name[0] not in ("transplant", "swap"):
                assert torch.allclose(edit.change.norm(dim=0), twin.change.norm(dim=0), atol=1e-5), name


def test_the_twin_of_a_transplant_has_cells_of_another_class():
    """The other picture is green: in the changed cells the twin holds its values, and nothing of blue."""
    edits = made(everything())
    activations = subject_of_toy()[1][0] + 1
    for name in (("transplant", "none"), ("swap", "component")):
        twin = edits.twins[name][0]
        cells = (activations + twin.change)[:, twin.change.any(dim=0)]
        torch.testing.assert_close(cells, OTHERS[0, :, :1, 0].expand_as(cells))


@pytest.mark.parametrize("others", [None, "the picture itself"])
def test_without_another_picture_the_twin_of_a_transplant_is_a_random_map(others: str | None):
    activations = subject_of_toy()[1][:1] + 1
    known = dataclasses.replace(everything(), others=None if others is None else activations)
    edits = made(known, activations)
    for name in (("transplant", "none"), ("swap", "component")):
        [edit] = edits.edits[name]
        [twin] = edits.twins[name]
        assert torch.allclose(edit.change.norm(dim=0), twin.change.norm(dim=0), atol=1e-5)
        assert not torch.allclose(edit.change, twin.change)


def test_directions_of_the_callers_own_are_vectors_or_maps():
    vector = Direction("cav", "striped", "0", torch.tensor([0.0, 0.0, 1.0]))
    chart = Direction("mine", "by hand", "0", torch.rand(3, 4, 4))
    edits = made(PairKnowledge(directions=[vector, chart]))
    names = [name for name in edits.edits if name[1] in ("cav", "mine")]
    assert names == [("located", "cav"), ("uniform", "cav"), ("gradient_times", "cav"), ("map", "mine")]
    change = edits.edits["map", "mine"][0].change
    torch.testing.assert_close(change / change.norm(), chart.values / chart.values.norm())
    assert ("located", "cav") not in edits.missing


def test_a_judge_with_other_classes_or_in_another_order_is_refused():
    layer, _ = subject_of_toy()
    for names in (["red", "green"], ["green", "red", "blue"]):
        judge = dataclasses.replace(layer.model, class_names=names)
        with pytest.raises(Exception, match="a judge needs the same classes in the same order"):
            DecodableLayer(layer.model, layer.split, layer.decoder, judge)
    with pytest.raises(Exception, match="a judge is another network"):
        DecodableLayer(layer.model, layer.split, layer.decoder, layer.model)
