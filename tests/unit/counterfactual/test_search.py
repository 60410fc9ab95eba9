"""Counterfactuals of a classifier whose answers are known: plain red on its way to blue."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.counterfactual.decodable_layer import DecodableLayer, moved_activations
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.search import SearchOptions, counterfactuals, search
from conceptrast.models.split import SplitModel

from .toys import BLUE, subject_of_toy, toy


def test_activations_move_by_their_own_length():
    _, split, _, activations = toy()
    units = torch.stack([BLUE.unit((3, 4, 4))] * 2)
    moved = moved_activations(split, activations, units, torch.tensor([0.5, 0.0]))
    assert float((moved[0] - activations[0]).norm() / activations[0].norm()) == pytest.approx(0.5)
    assert torch.equal(moved[1], activations[1])


def test_negative_activations_become_zero_only_after_a_relu():
    model, _, _, activations = toy()
    units = torch.stack([BLUE.unit((3, 4, 4))] * 2)
    splits = {layer: SplitModel(model, layer) for layer in "01"}
    least = {
        layer: float(moved_activations(split, activations, units, torch.ones(2)).min())
        for layer, split in splits.items()
    }
    assert least == {"0": pytest.approx(-5 / 2**0.5), "1": 0}


def test_the_way_ends_where_the_class_is_reached():
    """Red 5, blue 0 on the way −1, +1 over √2: blue has half of the two at 5 − s = s, λ = s √2 / 5 = 0.707."""
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations[:1], [[BLUE]], 2, options=SearchOptions(probability=0.49))
    assert way.reached.tolist() == [True]
    assert way.lambdas[0] == pytest.approx(2.5 * np.sqrt(2) / 5, rel=0.03)
    assert way.suffix[0, -1, 2] == pytest.approx(0.49, abs=0.03)


def test_the_decoded_picture_says_the_same_where_the_decoder_is_exact():
    layer, activations = subject_of_toy()
    for stop in ("suffix", "picture"):
        [way] = counterfactuals(layer, activations[:1] + 1, [[BLUE]], 2, stop=stop)
        np.testing.assert_allclose(way.decoded, way.suffix, atol=0.03)  # pictures are bytes
        assert way.frames.shape == (1, 5, 3, 8, 8)
        assert way.frames[0, 0, :, 0, 0].tolist() == [153, 26, 26]
        assert way.decoded[0, -1].argmax() == 2


def test_where_the_picture_cannot_change_the_suffix_alone_is_fooled():
    """Activations beyond what pixels can show: the suffix sees them, the decoded picture is clamped."""
    layer, activations = subject_of_toy()
    beyond = Direction("gradient", "up", "0", torch.tensor([0.0, 0.0, 1.0]))
    full = 4 * activations[:1]  # red 20, shown as 10
    full[:, 1] = 9.9
    [by_suffix] = counterfactuals(layer, full, [[beyond]], 2, options=SearchOptions(probability=0.9))
    [by_picture] = counterfactuals(layer, full, [[beyond]], 2, stop="picture", options=SearchOptions(probability=0.9))
    assert by_suffix.reached.tolist() == [True]
    assert by_picture.reached.tolist() == [False]
    assert by_picture.lambdas.tolist() == [1.0]


def test_a_class_that_is_not_reached_goes_to_the_limit():
    layer, activations = subject_of_toy()
    away = Direction("random", "away", "0", torch.tensor([1.0, 0.0, 0.0]))
    [way] = counterfactuals(layer, activations, [[away, away]], 2, options=SearchOptions(limit=0.7))
    assert way.reached.tolist() == [False, False]
    np.testing.assert_allclose(way.lambdas, 0.7)


def test_the_search_takes_the_first_place_of_several():
    def stop_test(ways, lambdas):
        return ((lambdas > 0.1) & (lambdas < 0.2)) | (lambdas > 0.9)

    lambdas, reached = search(stop_test, 1, limit=1.0)
    assert reached.item()
    assert 0.1 <= lambdas.item() < 0.11


def test_images_do_not_depend_on_their_neighbours():
    layer, activations = subject_of_toy()
    [both] = counterfactuals(layer, activations, [[BLUE, BLUE]], 2)
    [alone] = counterfactuals(layer, activations[1:], [[BLUE]], 2)
    assert both.lambdas[1] == alone.lambdas[0]
    np.testing.assert_allclose(both.suffix[1], alone.suffix[0], rtol=1e-6)
    [batched] = counterfactuals(layer, activations, [[BLUE, BLUE]], 2, options=SearchOptions(batch_size=1))
    for name in ("lambdas", "reached", "fractions", "suffix", "decoded", "frames"):
        np.testing.assert_allclose(getattr(batched, name), getattr(both, name), rtol=1e-6)


def test_what_belongs_to_another_layer_and_an_unknown_stop_are_refused():
    layer, activations = subject_of_toy()
    other = Direction("cav", "one", "1", torch.ones(3))
    with pytest.raises(LayerError, match="a direction in '1' cannot be decoded by the decoder of '0'"):
        counterfactuals(layer, activations[:1], [[other]], 2)
    with pytest.raises(LayerError, match="decoder of '0'"):
        DecodableLayer(layer.model, SplitModel(layer.model, "1"), layer.decoder)
    with pytest.raises(ConfigError, match="unknown stop 'decoder'; valid: suffix, picture"):
        counterfactuals(layer, activations[:1], [[BLUE]], 2, stop="decoder")


def test_directions_that_are_searched_together_give_what_each_gives_alone():
    layer, activations = subject_of_toy()
    away = Direction("random", "away", "0", torch.tensor([1.0, 0.0, 0.0]))
    kinds = [[BLUE, BLUE], [away, away], [away, BLUE]]
    together = counterfactuals(layer, activations, kinds, 2, stop="picture")
    for kind, walk in zip(kinds, together, strict=True):
        [alone] = counterfactuals(layer, activations, [kind], 2, stop="picture")
        for name in ("lambdas", "reached", "fractions", "suffix", "decoded", "frames"):
            np.testing.assert_allclose(getattr(walk, name), getattr(alone, name), rtol=1e-6)


def test_only_ways_whose_end_is_not_known_are_tested():
    """The first way ends in the third doubling, the second nowhere: 3 + 5 and 7 tests."""
    tested = []

    def stop_test(ways, lambdas):
        tested.extend(ways.tolist())
        return (ways == 0) & (lambdas > 1 / 32)

    _, reached = search(stop_test, 2, limit=1.0)
    assert reached.tolist() == [True, False]
    assert (tested.count(0), tested.count(1)) == (3 + 5, 7)
