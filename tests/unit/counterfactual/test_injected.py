"""Counterfactuals whose values change at one layer and are decoded at a later one, with answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from conceptrast.base.errors import LayerError
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.counterfactual.decodable_layer import DecodableLayer
from conceptrast.counterfactual.directions import Direction
from conceptrast.counterfactual.editable_layer import LayerOfPicture
from conceptrast.counterfactual.edits import Edit, Edits, random_twin
from conceptrast.counterfactual.latent_shift import latent_shift_gradients
from conceptrast.counterfactual.log_probability import log_probability_gradients
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals
from conceptrast.counterfactual.pair_edits import PairKnowledge, edits_towards
from conceptrast.counterfactual.pasted_cells import PastedCells, pasted_walk
from conceptrast.counterfactual.search import SearchOptions, counterfactuals, views_of
from conceptrast.counterfactual.swap import ClassComponents, Windows
from conceptrast.counterfactual.transplant import margin_evidence, transplant
from conceptrast.models.injection import Injection, LayerValues
from conceptrast.models.model import Model, Preprocess
from conceptrast.models.split import SplitModel

from .toys import Blocks

PAIR = (0, 2)
COMPONENTS = ClassComponents(np.eye(3, dtype=np.float32), np.ones(3), Windows(2, 2))


class Residual(nn.Module):
    """``x + scaled(x)``, with ``scaled`` half of ``x``."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.scaled.weight.copy_(0.5 * torch.eye(3)[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return x + self.scaled(x)


class BlocksOfOutput(Blocks):
    """Exact for pictures of 2×2 blocks: the inverse of average pooling and of the residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = "1"

    def forward(self, activations: Tensor) -> Tensor:
        """Every position becomes a block; activations are 1.5 times the normalised picture."""
        return super().forward(activations / 1.5)


def residual_colours() -> Model:
    """Names the colour that there is most of; logits are fifteen times the mean colours."""
    network = nn.Sequential(nn.AvgPool2d(2), Residual(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    network.requires_grad_(False)
    return Model("colours", network, Preprocess(None, 8, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])


def layer_of(inject: str) -> DecodableLayer:
    """The block's output, decoded; values change at another layer."""
    model = residual_colours()
    injection = Injection(model, inject, "1")
    return DecodableLayer(model, injection.split, BlocksOfOutput().eval(), injection=injection)


def pictures(*colours: tuple[float, float, float]) -> Tensor:
    """Normalised pictures ``[N, 3, 8, 8]`` of one colour each, 0 to 10."""
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, 8, 8).contiguous()


def of_pictures(layer: DecodableLayer, views: Tensor) -> LayerValues:
    """What pictures give at the layer that is edited, and what goes around it."""
    assert layer.injection is not None
    values, *around = layer.injection.prefix(views)
    return LayerValues(values, tuple(around))


def known_of(layer: DecodableLayer, donors: Tensor) -> PairKnowledge:
    """Everything that can be known, of these donors."""
    donor_values = of_pictures(layer, donors)
    return PairKnowledge(
        plane=Hyperplane(np.array([-1.0, 0.0, 1.0]), 0.0),
        components=(COMPONENTS, COMPONENTS),
        cav=("concept 4 of blue", np.array([0.0, 0.0, 1.0])),
        donors=donor_values,
        others=torch.ones(1, *donor_values.activations.shape[1:]),
    )


def test_a_value_that_is_added_inside_the_block_is_drawn_as_the_sum_says():
    """Red 4, inside 2; adding blue 6 there gives (6, 0, 6) at the output, which is drawn as red 4, blue 4."""
    layer = layer_of("1.scaled")
    values, *around = layer.injection.prefix(pictures((4.0, 0.0, 0.0)))
    assert values[0, :, 0, 0].tolist() == [2, 0, 0]
    moved = values.clone()
    moved[:, 2] += 6
    views = views_of(layer, moved, around=[tuple(around)])
    assert views.frames[0, :, 0, 0].tolist() == [102, 0, 102]
    assert views.probabilities["suffix"][0].tolist() == pytest.approx([0.5, 0.0, 0.5], abs=2e-3)
    assert views.probabilities["decoded"][0].tolist() == pytest.approx([0.5, 0.0, 0.5], abs=2e-3)


def test_a_value_before_the_block_is_drawn_as_the_block_passes_it_on():
    """Red 4 plus blue 3 before the block: the output is (6, 0, 4.5), drawn as red 4, blue 3."""
    layer = layer_of("0")
    [values] = layer.injection.prefix(pictures((4.0, 0.0, 0.0)))
    values[:, 2] += 3
    assert views_of(layer, values).frames[0, :, 0, 0].tolist() == [102, 0, 76]


def test_the_way_ends_where_the_sum_with_the_skip_connection_is_the_class():
    """Red 4: the output is 6 − s and s by a step of (−1, 0, 1) inside, so half of both is at s = 3."""
    layer = layer_of("1.scaled")
    values, *around = layer.injection.prefix(pictures((4.0, 0.0, 0.0)))
    change = torch.zeros(3, 4, 4)
    change[0] = -10.0
    change[2] = 10.0
    edit = Edit("uniform", "hyperplane", "towards", "1.scaled", change, around=tuple(around))
    for stop in ("suffix", "picture"):
        options = SearchOptions(probability=0.495)
        [way] = counterfactuals(layer, values, [[edit]], 2, stop=stop, options=options)
        assert way.reached.tolist() == [True]
        assert way.done[0] == pytest.approx(0.3, abs=0.02)


def test_every_kind_of_edit_is_made_inside_a_block():
    """Each picture keeps what goes around the layer: 14 edits of each of two pictures, alone as together."""
    layer = layer_of("1.scaled")
    start = pictures((4.0, 1.0, 1.0), (6.0, 2.0, 1.0))
    known = known_of(layer, pictures((1.0, 1.0, 8.0), (0.5, 1.0, 9.0)))
    values, around = of_pictures(layer, start)
    together = edits_towards(layer, [7, 9], LayerValues(values, around), PAIR, known)
    assert not together.missing
    assert len(together.edits) == 14
    assert {edit.layer for of_pictures in together.edits.values() for edit in of_pictures} == {"1.scaled"}
    second = LayerValues(values[1:], tuple(tensor[1:] for tensor in around))
    alone = edits_towards(layer, [9], second, PAIR, known)
    for name in together.edits:
        if name[0] != "swap" and name[1] not in ("means", "component"):  # these are of all pictures together
            torch.testing.assert_close(together.edits[name][1].change, alone.edits[name][0].change)
    # Ways of kinds and pictures are searched together: each has its own picture around it.
    subject = PairCounterfactuals(layer, np.array([7, 9]), values, PAIR)
    single = PairCounterfactuals(layer, np.array([9]), values[1:], PAIR)
    numbers = ["fraction", "done", "lambda", "p_from", "p_to", "p_to_decoded"]
    only = [name for name in together.edits if name[0] == "gradient"]
    for edits in (together, alone):
        edits.edits = {name: edits.edits[name] for name in only}
        edits.twins = {name: edits.twins[name] for name in only}
    rows = subject.rows(together).query("image == 9")[numbers].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, single.rows(alone)[numbers], rtol=1e-5)


def test_gradients_are_those_of_the_whole_with_its_skip_connection():
    """Logits are ten times the mean over 16 positions of 0.1-scaled … : d log p / d v = (1[k = c] − p_k) / 16."""
    layer = layer_of("1.scaled")
    values, *around = layer.injection.prefix(pictures((0.4, 0.1, 0.1)))
    output = values + around[0]
    probabilities = output.mean(dim=(2, 3)).softmax(dim=1)
    expected = (torch.tensor([0.0, 0.0, 1.0]) - probabilities) / 16
    gradients = log_probability_gradients(layer.edited, values, 2, around=around)
    torch.testing.assert_close(gradients, expected[:, :, None, None].expand_as(gradients))
    # The decoder is exact, so the latent shift is the same.
    torch.testing.assert_close(latent_shift_gradients(layer, values, 2, around=around), gradients)


def test_evidence_counts_the_value_and_not_what_goes_around_it():
    """z_A − z_B has slope 1/16 in red: evidence is 2/16 where the value is 2, though the output is 6."""
    layer = layer_of("1.scaled")
    values, *around = layer.injection.prefix(pictures((4.0, 0.5, 0.5)))
    evidence = margin_evidence(layer.edited, values, PAIR, around=around)
    torch.testing.assert_close(evidence, torch.full((1, 4, 4), (2 - 0.25) / 16))


def test_a_transplant_puts_the_donors_value_beside_the_pictures_skip_connection():
    layer = layer_of("1.scaled")
    values, *around = layer.injection.prefix(pictures((4.0, 0.0, 0.0)))
    donors, *_ = layer.injection.prefix(pictures((0.0, 0.0, 8.0)))
    evidence = (torch.ones(4, 4), torch.ones(1, 4, 4))
    moved = transplant(LayerOfPicture(layer.edited, around), values[0], donors, evidence, PAIR, cells=2)
    changed = moved.change.any(dim=0)
    assert int(changed.sum()) == 2
    assert moved.change[:, changed].T.tolist() == [[-2, 0, 4]] * 2
    views = views_of(layer, values + moved.change, around=[tuple(around)])
    # The picture's skip connection (4, 0, 0) stays: (4, 0, 4) at the output, drawn as 2.67 each.
    place = 2 * changed.nonzero()[0]
    assert views.frames[0, :, place[0], place[1]].tolist() == [68, 0, 68]


def test_what_is_around_a_picture_belongs_to_its_edits():
    layer = layer_of("1.scaled")
    values, [skipped] = of_pictures(layer, pictures((4.0, 1.0, 1.0), (6.0, 2.0, 1.0)))
    one, other = (
        Edit("map", "mine", "one", "1.scaled", torch.ones(3, 4, 4), around=(skipped[[number]],)) for number in (0, 1)
    )
    edits = Edits.of(layer.edited, values.repeat(2, 1, 1, 1), [one, other, one, other])
    [rows] = edits.around_of(torch.tensor([3, 0]))
    assert rows[:, 0, 0, 0].tolist() == [6, 4]
    assert random_twin(other, 0, 7, "map").around is other.around


def same_place_twice() -> tuple[DecodableLayer, DecodableLayer]:
    """The same layer edited and decoded: without an injection, and with one that goes nowhere."""
    model = residual_colours()
    plain = DecodableLayer(model, SplitModel(model, "1"), BlocksOfOutput().eval())
    injection = Injection(model, "1", "1")
    return plain, DecodableLayer(model, injection.split, BlocksOfOutput().eval(), injection=injection)


def test_editing_and_decoding_the_same_layer_is_what_it_was_bit_for_bit():
    rows = []
    for layer in same_place_twice():
        values = layer.split.prefix(pictures((4.0, 1.0, 1.0), (6.0, 2.0, 1.0)))
        known = PairKnowledge(
            plane=Hyperplane(np.array([-1.0, 0.0, 1.0]), 0.0),
            components=(COMPONENTS, COMPONENTS),
            cav=("concept 4 of blue", np.array([0.0, 0.0, 1.0])),
            donors=LayerValues(layer.split.prefix(pictures((1.0, 1.0, 8.0)))),
            others=torch.ones(1, 3, 4, 4),
        )
        edits = edits_towards(layer, [7, 9], LayerValues(values), PAIR, known)
        fast = layer.for_inference("float32")
        rows.append(PairCounterfactuals(fast, np.array([7, 9]), values, PAIR).rows(edits))
    pd.testing.assert_frame_equal(*rows, check_exact=True)
    assert len(rows[0]) == 14 * 2 * 2 * (3 + 2)


def test_a_direction_of_another_layer_is_refused_with_where_values_are_added():
    layer = layer_of("1.scaled")
    values, around = of_pictures(layer, pictures((4.0, 0.0, 0.0)))
    given = PairKnowledge(directions=[Direction("mine", "one", "1", torch.ones(3))])
    with pytest.raises(LayerError, match=r"a direction in '1' cannot be added at '1\.scaled': find it there"):
        edits_towards(layer, [7], LayerValues(values, around), PAIR, given)
    edit = Edit("uniform", "mine", "one", "1", torch.ones(3, 4, 4), around=around)
    with pytest.raises(LayerError, match=r"a direction in '1' cannot be added at '1\.scaled'"):
        counterfactuals(layer, values, [[edit]], 2)


def test_the_decoder_of_another_layer_than_the_decoded_one_is_refused():
    model = residual_colours()
    with pytest.raises(LayerError, match="by the decoder of '1'"):
        DecodableLayer(model, SplitModel(model, "0"), BlocksOfOutput().eval())
    injection = Injection(model, "0", "2")
    with pytest.raises(LayerError, match="by the decoder of '1'"):
        DecodableLayer(model, SplitModel(model, "1"), BlocksOfOutput().eval(), injection=injection)


def test_pasted_cells_are_as_far_as_the_edited_layer_says():
    """Half of 4×4 positions from red 4 to blue 4: at either layer λ is the root of (16 + 16) / 2 / 16, which is 1."""
    for inject in ("1.scaled", "0"):
        layer = layer_of(inject)
        red, blue = (255 * pictures(colour) / 10 for colour in ((4.0, 0.0, 0.0), (0.0, 0.0, 4.0)))
        cells = [(number, number) for number in range(8)]
        edit = Edit("pasted_cells", "none", "one", inject, torch.ones(3, 4, 4))
        one = PastedCells(edit, red[0].byte(), blue[0].byte(), cells, grid=(4, 4))
        walk = pasted_walk(layer, [one], 2, cells=np.array([8]), fractions=(0.0, 1.0))
        assert walk.lambdas[0].tolist() == pytest.approx([0.0, 1.0])
        assert walk.probabilities["suffix"][0, 1].tolist() == pytest.approx([0.475, 0.05, 0.475], abs=0.03)
