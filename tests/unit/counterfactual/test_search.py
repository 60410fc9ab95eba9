"""Counterfactuals of a classifier whose answers are known: plain red on its way to blue."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.edits import Edit, random_twin
from conceptrast.counterfactual.search import SearchOptions, counterfactuals, search, walks_of_length
from conceptrast.models.split import SplitModel

from .toys import TO_BLUE, blue, colours, subject_of_toy, uniform_edits

RED = torch.tensor([1.0, 0.0, 0.0])


def same_walks(one, other, **tolerance):
    for name in ("done", "reached", "fractions", "lambdas", "cells", "frames"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **tolerance)
    assert list(one.probabilities) == list(other.probabilities)
    for name, values in one.probabilities.items():
        np.testing.assert_allclose(values, other.probabilities[name], **tolerance)


def test_the_way_ends_where_the_class_is_reached():
    """Red 5, blue 0 on the way −1, +1 over √2: blue has half of the two at 5 − s = s, λ = s √2 / 5 = 0.707."""
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations[:1], [blue(activations[:1])], 2, options=SearchOptions(probability=0.49))
    assert way.reached.tolist() == [True]
    assert way.lambdas[0, -1] == pytest.approx(2.5 * np.sqrt(2) / 5, rel=0.07)
    assert way.done[0] == pytest.approx(way.lambdas[0, -1], rel=1e-5)  # the limit is 1
    assert way.probabilities["suffix"][0, -1, 2] >= 0.49
    assert way.cells[0].tolist() == [0, 16, 16]


def test_lambda_grows_from_nothing_with_the_fraction():
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations, [blue(activations + 1)], 2)
    assert (way.lambdas[:, 0] == 0).all()
    assert (np.diff(way.lambdas, axis=1) > 0).all()


def test_the_decoded_picture_says_the_same_where_the_decoder_is_exact():
    layer, activations = subject_of_toy(judge=colours())
    inside = activations[:1] + 1
    for stop in ("suffix", "picture"):
        [way] = counterfactuals(layer, inside, [blue(inside)], 2, stop=stop)
        for judge in ("decoded", "judge"):
            # Pictures are bytes.
            np.testing.assert_allclose(way.probabilities[judge], way.probabilities["suffix"], atol=0.03)
        assert way.frames.shape == (1, 3, 3, 8, 8)
        assert way.frames[0, 0, :, 0, 0].tolist() == [153, 26, 26]
        assert way.probabilities["decoded"][0, -1].argmax() == 2


def test_there_is_a_judge_only_if_there_is_one():
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations, [blue(activations)], 2)
    assert list(way.probabilities) == ["suffix", "decoded"]


def test_a_judge_sees_the_picture_and_is_not_asked_on_the_way():
    """A judge that swaps red and blue: the way is the same, and in the end it names the other class."""
    judge = colours()
    judge.module.append(torch.nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        judge.module[-1].weight.copy_(torch.eye(3)[[2, 1, 0]])
    layer, activations = subject_of_toy(judge)
    plain, _ = subject_of_toy()
    start = activations[:1] + 1
    [judged], [way] = (counterfactuals(one, start, [blue(start)], 2, stop="picture") for one in (layer, plain))
    assert judged.done.tolist() == way.done.tolist()
    np.testing.assert_allclose(judged.probabilities["judge"], way.probabilities["decoded"][..., ::-1], atol=1e-6)


def test_a_judge_of_another_size_gets_the_picture_resized():
    big = colours()
    big.module.insert(0, torch.nn.AvgPool2d(2))
    object.__setattr__(big, "preprocess", type(big.preprocess)(None, 16, (0.0,) * 3, (0.1,) * 3))
    layer, activations = subject_of_toy(big)
    [way] = counterfactuals(layer, activations[:1] + 1, [blue(activations[:1] + 1)], 2)
    np.testing.assert_allclose(way.probabilities["judge"], way.probabilities["decoded"], atol=1e-3)


def test_where_the_picture_cannot_change_the_suffix_alone_is_fooled():
    """Activations beyond what pixels can show: the suffix sees them, the decoded picture is clamped."""
    layer, activations = subject_of_toy()
    full = 4 * activations[:1]  # red 20, shown as 10
    full[:, 1] = 9.9
    beyond = uniform_edits(full, torch.tensor([0.0, 0.0, 1.0]))
    options = SearchOptions(probability=0.9)
    [by_suffix] = counterfactuals(layer, full, [beyond], 2, options=options)
    [by_picture] = counterfactuals(layer, full, [beyond], 2, stop="picture", options=options)
    assert by_suffix.reached.tolist() == [True]
    assert by_picture.reached.tolist() == [False]
    assert by_picture.done.tolist() == [1.0]


def test_a_class_that_is_not_reached_goes_to_the_limit():
    layer, activations = subject_of_toy()
    [way] = counterfactuals(layer, activations, [uniform_edits(activations, RED, limit=0.7)], 2)
    assert way.reached.tolist() == [False, False]
    assert way.done.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(way.lambdas[:, -1], 0.7)


def test_cells_are_those_that_have_changed_so_far():
    """Four cells in turn: after a half of the whole way, two have changed."""
    layer, activations = subject_of_toy()
    change = torch.zeros(3, 4, 4)
    change[1, 0] = 1e-3
    order = torch.zeros(4, 4, dtype=torch.long)
    order[0] = torch.arange(4)
    edit = Edit("transplant", "none", "cells", "0", change, order)
    [way] = counterfactuals(layer, activations[:1], [[edit]], 2)
    assert way.reached.tolist() == [False]
    assert way.cells.tolist() == [[0, 2, 4]]


def test_the_search_never_goes_further_than_the_whole_way_and_not_past_the_first_place():
    first = torch.rand(200, generator=torch.Generator().manual_seed(0)) * 1.5
    done, reached = search(lambda ways, way: way >= first[ways], 200)
    assert (done <= 1).all()
    assert torch.equal(reached, first <= 1)
    assert (done[~reached] == 1).all()
    late = (done - first)[reached]
    assert (late >= 0).all()
    # A sixteenth of the way, or 1/512 below 1/32.
    assert (late <= torch.maximum(first[reached] / 16, torch.tensor(1 / 512)) + 1e-6).all()


def test_the_search_takes_the_first_place_of_several():
    def stop_test(ways, way):
        return ((way > 0.1) & (way < 0.2)) | (way > 0.9)

    done, reached = search(stop_test, 1)
    assert reached.item()
    assert 0.1 <= done.item() < 0.11


def test_images_do_not_depend_on_their_neighbours():
    layer, activations = subject_of_toy()
    [both] = counterfactuals(layer, activations, [blue(activations)], 2)
    [alone] = counterfactuals(layer, activations[1:], [blue(activations[1:])], 2)
    same_walks(both.part(slice(1, 2)), alone, rtol=1e-6)
    [batched] = counterfactuals(layer, activations, [blue(activations)], 2, options=SearchOptions(batch_size=1))
    same_walks(batched, both, rtol=1e-6)


def test_what_belongs_to_another_layer_and_an_unknown_stop_are_refused():
    layer, activations = subject_of_toy()
    other = Edit("uniform", "cav", "one", "1", torch.ones(3, 4, 4))
    with pytest.raises(LayerError, match="in '1' cannot be decoded by the decoder of '0'"):
        counterfactuals(layer, activations[:1], [[other]], 2)
    with pytest.raises(LayerError, match="decoder of '0'"):
        DecodableLayer(layer.model, SplitModel(layer.model, "1"), layer.decoder)
    with pytest.raises(ConfigError, match="unknown stop 'decoder'; valid: suffix, picture"):
        counterfactuals(layer, activations[:1], [blue(activations[:1])], 2, stop="decoder")


def test_edits_that_are_searched_together_give_what_each_gives_alone():
    layer, activations = subject_of_toy()
    away = uniform_edits(activations, RED)
    kinds = [blue(activations), away, [away[0], blue(activations)[1]]]
    together = counterfactuals(layer, activations, kinds, 2, stop="picture")
    for kind, walk in zip(kinds, together, strict=True):
        [alone] = counterfactuals(layer, activations, [kind], 2, stop="picture")
        same_walks(walk, alone, rtol=1e-6)


def test_a_walk_of_a_given_length_goes_so_far_and_says_whether_it_arrives():
    layer, activations = subject_of_toy()
    start = activations[:1] + 1
    edits = blue(start, limit=1.5)
    for stop in ("suffix", "picture"):
        [way] = counterfactuals(layer, start, [edits], 2, stop=stop)
        [again] = walks_of_length(layer, start, [edits], [way.done])
        assert again.reached.tolist() == [False]  # nothing was looked for
        same_walks(again.judged(stop, 2, 0.5), way, rtol=1e-6)
        [half] = walks_of_length(layer, start, [edits], [way.done / 2])
        assert half.judged(stop, 2, 0.5).reached.tolist() == [False]
    twins = [random_twin(edit, 0, 7, "map") for edit in edits]
    [random] = walks_of_length(layer, start, [twins], [way.done], fractions=(0.0, 1.0))
    assert random.done.tolist() == way.done.tolist()
    assert random.judged("suffix", 2, 0.5).reached.tolist() == [False]


def test_the_vector_to_blue_has_no_length_of_its_own():
    _, activations = subject_of_toy()
    one, other = (uniform_edits(activations, vector)[0].change for vector in (TO_BLUE, 7 * TO_BLUE))
    torch.testing.assert_close(one, other)


def test_only_ways_whose_end_is_not_known_are_tested():
    """The first way ends in the second doubling, the second nowhere: 2 + 4 and 6 tests."""
    tested = []

    def stop_test(ways, way):
        tested.extend(ways.tolist())
        return (ways == 0) & (way > 1 / 32)

    _, reached = search(stop_test, 2)
    assert reached.tolist() == [True, False]
    assert (tested.count(0), tested.count(1)) == (2 + 4, 6)
