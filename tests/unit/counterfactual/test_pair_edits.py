"""Directions: unit length, forms, gradients that are known, and errors that name what does not fit."""

from __future__ import annotations

import pytest
import torch
from conceptrast.counterfactual.direction_kinds import DIRECTION_KINDS
from conceptrast.counterfactual.pair_directions import PairVectors, directions_towards, missing_directions

from conceptrast.base.errors import ShapeError
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.directions import Direction, random_directions, strongest_component
from conceptrast.counterfactual.latent_shift import latent_shift_gradients
from conceptrast.counterfactual.log_probability import log_probability_gradients

from .toys import toy


def test_a_vector_is_the_same_everywhere_and_a_map_is_not():
    vector = Direction("cav", "one", "0", torch.tensor([3.0, 4.0])).unit((2, 2, 2))
    assert torch.allclose(vector, torch.tensor([0.3, 0.4])[:, None, None].expand(2, 2, 2))
    drawn = torch.rand(2, 2, 2)
    assert torch.allclose(Direction("gradient", "p", "0", drawn).unit((2, 2, 2)), drawn / drawn.norm())


def test_what_does_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"direction cav \[5\] does not fit activations \[4, 2, 2\] of layer3"):
        Direction("cav", "one", "layer3", torch.ones(5)).unit((4, 2, 2))
    with pytest.raises(ShapeError, match=r"does not fit activations \[4, 2, 2\]"):
        Direction("gradient", "p", "layer3", torch.ones(4, 1, 1)).unit((4, 2, 2))
    with pytest.raises(ShapeError, match=r"is \[C\] or \[C, h, w\], got \[2, 2\]"):
        Direction("cav", "one", "layer3", torch.ones(2, 2))
    with pytest.raises(ShapeError, match=r"direction component \(3 of 7\) is zero throughout"):
        Direction("component", "3 of 7", "layer3", torch.zeros(2))


def test_the_gradient_is_that_of_softmax_regression():
    """Logits are means of the channels: d log p_c / d a = (1[k = c] − p_k) / positions."""
    _, split, _, activations = toy()
    probabilities = activations.mean(dim=(2, 3)).softmax(dim=1)
    expected = (torch.tensor([0.0, 0.0, 1.0]) - probabilities) / 16
    # The suffix starts with a ReLU, whose gradient at 0 is 0: move the activations off it.
    gradients = log_probability_gradients(split, activations + 1e-4, target=2)
    assert torch.allclose(gradients, expected[:, :, None, None].expand_as(gradients), atol=1e-5)


def test_the_latent_shift_is_the_same_where_the_decoder_is_exact():
    model, split, decoder, activations = toy()
    inside = activations + 1  # colours strictly between 0 and 1, where the decoder does not clamp
    plain = log_probability_gradients(split, inside, target=2)
    assert torch.allclose(latent_shift_gradients(model, decoder, inside, target=2), plain, atol=1e-6)
    assert torch.equal(log_probability_gradients(split, inside, target=2, batch_size=1), plain)


def test_gradients_do_not_vanish_where_the_probability_does():
    _, split, _, activations = toy()
    assert log_probability_gradients(split, 40 * activations + 1, target=2).abs().max() > 0.05


def test_random_directions_are_vectors_and_maps_and_every_image_has_its_own():
    directions = random_directions("0", (3, 2, 2), 0, [1, 2])
    assert {name: {tuple(direction.values.shape) for direction in kind} for name, kind in directions.items()} == {
        "random_vector": {(3,)},
        "random_map": {(3, 2, 2)},
    }
    again = random_directions("0", (3, 2, 2), 0, [2])
    other = random_directions("0", (3, 2, 2), 1, [2])
    for name, kind in directions.items():
        assert torch.equal(kind[1].values, again[name][0].values)
        assert not torch.equal(kind[1].values, other[name][0].values)
        assert not torch.equal(kind[0].values, kind[1].values)


def test_a_gradient_that_is_zero_is_no_direction_and_the_reason_is_given():
    *parts, activations = toy()
    layer = DecodableLayer(*parts)
    directions = directions_towards(layer, torch.zeros_like(activations) - 1, (0, 2))  # the ReLU lets nothing through
    assert "gradient" not in directions
    assert missing_directions(directions, ["gradient", "hyperplane"], "no plane") == {
        "gradient": "the gradient of an image is zero throughout",
        "hyperplane": "no plane",
    }


def test_the_strongest_component_counts_direction_and_not_length():
    gradients = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    assert strongest_component(torch.tensor([[100.0, 0.0], [0.0, 1e-3]]), gradients) == 1


def test_a_study_gives_what_it_knows_in_a_fixed_order():
    *parts, activations = toy()
    layer = DecodableLayer(*parts)
    plane = Hyperplane(torch.tensor([-1.0, 0.0, 1.0]).numpy(), 0.0)
    components = torch.eye(3).numpy()
    vectors = PairVectors(plane=plane, components=components, cav=("blue: concept 4", components[2]))
    directions = directions_towards(layer, activations + 1, (0, 2), vectors)
    assert list(directions) == list(DIRECTION_KINDS)
    assert [len(per_image) for per_image in directions.values()] == [2] * 5
    assert directions["component"][0].values.tolist() == [0, 0, 1]
    assert directions["component"][0].origin == "component 3 of blue"
    assert directions["hyperplane"][0].origin == "red to blue"
    assert directions["cav"][0].origin == "blue: concept 4"
    assert not torch.equal(directions["gradient"][0].values, directions["gradient"][1].values)
    assert list(directions_towards(layer, activations + 1, (0, 2))) == ["gradient", "latent_shift"]
