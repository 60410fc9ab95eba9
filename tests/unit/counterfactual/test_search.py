"""Counterfactuals of a classifier whose answers are known: plain red on its way to blue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from conceptrast.base.errors import ConfigError, LayerError
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.search import (
    ALL,
    WEAK,
    DecodableLayer,
    counterfactual_rows,
    counterfactual_summary,
    counterfactuals,
    moved,
    search,
    with_names,
)
from conceptrast.counterfactual.study_counterfactuals import Moved, example_image
from conceptrast.models.split import SplitModel

from .toys import toy

BLUE = Direction("hyperplane", "towards blue", "0", torch.tensor([-1.0, 0.0, 1.0]))
NAMES = ["red", "green", "blue"]


def subject_of_toy() -> tuple[DecodableLayer, torch.Tensor]:
    model, split, decoder, activations = toy()
    return DecodableLayer(model, split, decoder), activations


def test_activations_move_by_their_own_length():
    _, split, _, activations = toy()
    units = torch.stack([BLUE.unit((3, 4, 4))] * 2)
    found = moved(split, activations, units, torch.tensor([0.5, 0.0]))
    assert float((found[0] - activations[0]).norm() / activations[0].norm()) == pytest.approx(0.5)
    assert torch.equal(found[1], activations[1])


def test_negative_activations_become_zero_only_after_a_relu():
    model, _, _, activations = toy()
    units = torch.stack([BLUE.unit((3, 4, 4))] * 2)
    least = {layer: float(moved(SplitModel(model, layer), activations, units, torch.ones(2)).min()) for layer in "01"}
    assert least == {"0": pytest.approx(-5 / 2**0.5), "1": 0}


def test_the_way_ends_where_the_class_is_reached():
    """Red 5, blue 0 on the way −1, +1 over √2: blue has half of the two at 5 − s = s, λ = s √2 / 5 = 0.707."""
    layer, activations = subject_of_toy()
    way = counterfactuals(layer, activations[:1], [BLUE], 2, probability=0.49)
    assert way.found.tolist() == [True]
    assert way.lambdas[0] == pytest.approx(2.5 * np.sqrt(2) / 5, rel=0.03)
    assert way.suffix[0, -1, 2] == pytest.approx(0.49, abs=0.03)


def test_the_decoded_picture_says_the_same_where_the_decoder_is_exact():
    layer, activations = subject_of_toy()
    for stop in ("suffix", "picture"):
        way = counterfactuals(layer, activations[:1] + 1, [BLUE], 2, stop=stop)
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
    by_suffix = counterfactuals(layer, full, [beyond], 2, probability=0.9)
    by_picture = counterfactuals(layer, full, [beyond], 2, stop="picture", probability=0.9)
    assert by_suffix.found.tolist() == [True]
    assert by_picture.found.tolist() == [False]
    assert by_picture.lambdas.tolist() == [1.0]


def test_a_class_that_is_not_reached_goes_to_the_limit():
    layer, activations = subject_of_toy()
    away = Direction("random", "away", "0", torch.tensor([1.0, 0.0, 0.0]))
    way = counterfactuals(layer, activations, [away, away], 2, limit=0.7)
    assert way.found.tolist() == [False, False]
    np.testing.assert_allclose(way.lambdas, 0.7)


def test_the_search_takes_the_first_place_of_several():
    def reached(lambdas):
        return ((lambdas > 0.1) & (lambdas < 0.2)) | (lambdas > 0.9)

    lambdas, found = search(reached, 1, limit=1.0)
    assert found.item()
    assert 0.1 <= lambdas.item() < 0.11


def test_images_do_not_depend_on_their_neighbours():
    layer, activations = subject_of_toy()
    both = counterfactuals(layer, activations, [BLUE, BLUE], 2)
    alone = counterfactuals(layer, activations[1:], [BLUE], 2)
    assert both.lambdas[1] == alone.lambdas[0]
    np.testing.assert_allclose(both.suffix[1], alone.suffix[0], rtol=1e-6)
    batched = counterfactuals(layer, activations, [BLUE, BLUE], 2, batch_size=1)
    for name in ("lambdas", "found", "fractions", "suffix", "decoded", "frames"):
        np.testing.assert_allclose(getattr(batched, name), getattr(both, name), rtol=1e-6)


def test_what_belongs_to_another_layer_and_an_unknown_stop_are_refused():
    layer, activations = subject_of_toy()
    other = Direction("cav", "one", "1", torch.ones(3))
    with pytest.raises(LayerError, match="a direction in '1' cannot be decoded by the decoder of '0'"):
        counterfactuals(layer, activations[:1], [other], 2)
    with pytest.raises(LayerError, match="decoder of '0'"):
        DecodableLayer(layer.model, SplitModel(layer.model, "1"), layer.decoder)
    with pytest.raises(ConfigError, match="unknown stop 'decoder'; valid: suffix, picture"):
        counterfactuals(layer, activations[:1], [BLUE], 2, stop="decoder")


def rows_of(ends: dict[int, tuple[int, int, int]], **head) -> pd.DataFrame:
    """Rows of images by id: class of the image, of its decoded start, of its decoded end."""
    base = {"from_class": 0, "to_class": 2, "direction": "cav", "stop": "suffix", "baseline": "none", "found": True}
    parts = []
    for image, (own, start, end) in ends.items():
        for fraction, decoded in ((0.0, start), (1.0, end)):
            said = {"predicted": own, "predicted_decoded": decoded, "p_to_decoded": 0.25 + fraction / 2}
            parts.append({**base, **head, "image": image, "fraction": fraction, "lambda": fraction * image, **said})
    return with_names(pd.DataFrame(parts), NAMES).assign(status="ok", reason="")


def test_the_summary_counts_images_whose_decoded_start_was_right():
    rows = rows_of({1: (0, 0, 2), 2: (0, 0, 1), 3: (0, 0, 0), 4: (0, 1, 2)})
    row, whole = counterfactual_summary(rows).to_dict("records")
    assert {**whole, "from_class": 0, "from_name": "red", "to_class": 2, "to_name": "blue"} == row
    assert (row["n_images"], row["n_kept"], row["lambda_median"]) == (4, 3, 2.5)
    assert (row["changed"], row["reached"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert row["low"] < 2 / 3 < row["high"]
    assert (row["p_to_before"], row["p_to_after"], row["found"]) == (0.25, 0.75, 1.0)


def test_all_pairs_together_and_pairs_that_were_skipped_have_their_rows():
    one, other = rows_of({1: (0, 0, 2)}), rows_of({1: (1, 1, 1)}, from_class=1)
    skipped = with_names(pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}]), NAMES)
    found = counterfactual_summary(pd.concat([one, other, skipped]))
    assert found["from_class"].tolist() == [0, 1, ALL, 2]
    whole = found[found["from_class"] == ALL].iloc[0]
    assert (whole["n_images"], whole["changed"], whole["reached"], whole["to_name"]) == (2, 0.5, 0.5, "all")
    assert found.iloc[-1][["status", "reason", "from_name"]].tolist() == ["skipped", "few", "blue"]


def test_a_run_whose_pairs_were_all_skipped_has_its_reasons():
    rows = pd.DataFrame([{"from_class": 2, "to_class": 0, "status": "skipped", "reason": "few"}])
    found = counterfactual_summary(with_names(rows, NAMES))
    assert found[["from_name", "status", "reason"]].to_numpy().tolist() == [["blue", "skipped", "few"]]


def test_a_direction_that_a_pair_lacks_keeps_its_row():
    rows = rows_of({1: (0, 0, 2)})
    lacking = pd.DataFrame(
        [{"from_class": 0, "to_class": 2, "direction": "cav", "status": "skipped", "reason": "none"}]
    )
    found = counterfactual_summary(pd.concat([rows, with_names(lacking, NAMES)]))
    assert found.iloc[-1][["direction", "status", "reason"]].tolist() == ["cav", "skipped", "none"]
    assert len(found) == 3


def test_a_decoder_that_keeps_no_class_is_said_to_be_too_weak():
    row = counterfactual_summary(rows_of({1: (0, 1, 2)})).iloc[0]
    assert (row["status"], row["reason"], row["n_kept"]) == ("skipped", WEAK, 0)


def test_rows_of_a_pair_have_every_direction_stop_and_chance():
    layer, activations = subject_of_toy()
    subject = Moved(layer, np.array([7, 9]), activations + 1, (0, 2))
    rows = subject.rows({"hyperplane": [BLUE, BLUE]})
    assert len(rows) == 3 * 2 * 2 * 5  # kinds, stops, images, fractions
    assert set(rows["stop"]) == {"suffix", "picture"}
    ends = rows[(rows["fraction"] == 1) & (rows["stop"] == "suffix")].set_index(["direction", "image"])
    assert ends.loc[("hyperplane", 7), "predicted"] == 2
    assert ends["baseline"].to_dict()[("random_map", 7)] == "random"
    assert ends.loc[("hyperplane", 7), "baseline"] == "none"
    # A random map moves all channels alike in the mean: it reaches nothing, and goes to the limit.
    assert ends.loc[("random_map", 9), ["found", "lambda"]].tolist() == [False, 1.0]
    shown = example_image(rows)
    [story] = subject.stories({"hyperplane": [BLUE, BLUE]}, shown, np.zeros((8, 8, 3), np.uint8), frames=4)
    assert story.frames.shape == (4, 8, 8, 3)
    assert story.found
    assert story.decoded[-1, 1] >= 0.5


def test_a_row_says_what_each_half_said():
    layer, activations = subject_of_toy()
    way = counterfactuals(layer, activations, [BLUE, BLUE], 2)
    rows = counterfactual_rows([7, 9], way, BLUE, (0, 2), "suffix")
    row = rows[(rows["image"] == 9) & (rows["fraction"] == 0.5)].iloc[0]
    assert row["lambda"] == pytest.approx(way.lambdas[1] / 2)
    assert row["p_to"] == pytest.approx(way.suffix[1, 2, 2])
    assert row["p_from_decoded"] == pytest.approx(way.decoded[1, 2, 0])
