"""Cells pasted in pixels, on a classifier that names the colour of which there is most."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.counterfactual.edits import Edit
from conceptrast.counterfactual.pair_counterfactuals import PairCounterfactuals, recognised_images
from conceptrast.counterfactual.pair_edits import PairKnowledge, edits_towards
from conceptrast.counterfactual.pasted_cells import PASTED, PairViews, PastedCells, pasted_cells, pasted_walk
from conceptrast.counterfactual.search import SearchOptions
from conceptrast.models.inference import network_input
from conceptrast.models.injection import LayerValues

from .toys import colours, subject_of_toy

RED = 0
GREEN = 1
BLUE = 2


def plain(colour: int, value: int = 255) -> torch.Tensor:
    """A picture ``[3, 8, 8]`` of one colour; the layer has 4×4 positions of 2×2 pixels."""
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    picture[colour] = value
    return picture


def pasted(cells: int, donor: int = BLUE) -> PastedCells:
    edit = Edit(*PASTED, origin="cells of blue", layer="0", change=torch.ones(3, 4, 4))
    return PastedCells(edit, plain(RED), plain(donor), [(place, 15 - place) for place in range(cells)], grid=(4, 4))


def probability_of_blue(cells: int) -> float:
    """By hand: logits are ten times the mean colours, and each of 16 cells that is pasted makes 1/16 of red blue."""
    logits = 10 * np.array([1 - cells / 16, 0, cells / 16])
    return float(np.exp(logits[BLUE]) / np.exp(logits).sum())


def test_cells_come_one_after_the_other_from_where_the_donor_has_them():
    donor = torch.arange(64, dtype=torch.uint8).view(1, 8, 8)
    one = PastedCells(pasted(1).edit, torch.full((1, 8, 8), 99, dtype=torch.uint8), donor, [(0, 5), (15, 3)], (4, 4))
    frames = one.frames()
    assert frames.shape == (3, 1, 8, 8)
    assert (frames[0] == 99).all()
    assert frames[1, 0, :2, :2].tolist() == [[18, 19], [26, 27]]  # position 5 is row 1, column 1: pixel (2, 2) is 18
    assert (frames[1, 0, 2:] == 99).all()
    assert frames[2, 0, 6:, 6:].tolist() == [[6, 7], [14, 15]]
    assert (frames[2] == 99).sum() == 64 - 8


def test_positions_that_do_not_divide_the_pixels_cover_them_all():
    cells = [(place, place) for place in range(9)]
    one = PastedCells(pasted(1).edit, plain(RED), plain(BLUE), cells, grid=(3, 3))
    assert torch.equal(one.frames()[-1], plain(BLUE))


def test_as_few_cells_as_it_takes_until_the_model_says_so():
    layer, _ = subject_of_toy()
    enough = next(n for n in range(17) if probability_of_blue(n) >= 0.9)
    walk = pasted_walk(layer, [pasted(16)], BLUE, options=SearchOptions(probability=0.9))
    assert walk.cells[0].tolist() == [0, round(enough / 2), enough]
    assert walk.reached.tolist() == [True]
    assert walk.done[0] == pytest.approx(enough / 16)
    wanted = [probability_of_blue(n) for n in walk.cells[0]]
    np.testing.assert_allclose(walk.probabilities["decoded"][0, :, BLUE], wanted, atol=1e-5)
    assert walk.probabilities["suffix"] is walk.probabilities["decoded"]
    # n of 16 equal vectors are turned by a right angle: their distance is √(2n / 16) of the length.
    np.testing.assert_allclose(walk.lambdas[0], np.sqrt(2 * walk.cells[0] / 16), atol=1e-5)


def test_a_given_number_of_cells_is_pasted_and_not_more_than_there_are():
    layer, _ = subject_of_toy()
    walk = pasted_walk(layer, [pasted(2), pasted(4)], BLUE, cells=np.array([1, 9]))
    assert walk.cells[:, -1].tolist() == [1, 4]
    assert walk.reached.tolist() == [False, False]


def test_cells_that_never_suffice_end_where_all_are_pasted():
    layer, _ = subject_of_toy()
    walk = pasted_walk(layer, [pasted(16, donor=GREEN)], BLUE)
    assert walk.cells[0, -1] == 16
    assert not walk.reached[0]


def test_the_judge_sees_the_same_pictures():
    layer, _ = subject_of_toy(judge=colours())
    walk = pasted_walk(layer, [pasted(16), pasted(3)], BLUE, options=SearchOptions(batch_size=2))
    np.testing.assert_allclose(walk.probabilities["judge"], walk.probabilities["decoded"], atol=1e-6)


def test_the_transplants_of_a_pair_and_twins_of_neither_class_are_pasted():
    layer, _ = subject_of_toy()
    views = PairViews(plain(RED, 128)[None], plain(BLUE, 128)[None], others=plain(GREEN, 128)[None])
    with torch.inference_mode():
        pictures, donors, others = (
            layer.split.prefix(network_input(layer.model, of)) for of in (views.pictures, views.donors, views.others)
        )
    options = SearchOptions(cells=16)
    known = PairKnowledge(donors=LayerValues(donors), others=others)
    edits = edits_towards(layer, [7], LayerValues(pictures), (RED, BLUE), known, options=options)
    [one], [twin] = pasted_cells(edits, views, [7], seed=0)
    assert {place for place, _ in one.cells} == {place for place, _ in twin.cells}
    assert all(place == source for place, source in twin.cells)
    assert torch.equal(twin.donor, plain(GREEN, 128))
    # The activations of the pasted picture are those of the transplant: this layer's positions see their cell alone.
    with torch.inference_mode():
        moved = layer.split.prefix(network_input(layer.model, one.frames()[-1:]))[0]
    torch.testing.assert_close(moved, pictures[0] + edits.edits["transplant", "none"][0].change)
    # Its rows stand beside those of the transplant, at both stops, and say that nothing of it is decoded.
    subject = PairCounterfactuals(
        layer, np.array([7]), pictures, (RED, BLUE), options=options, views=views, boxes={7: (0, 0, 8, 4)}
    )
    rows = subject.rows(edits)
    of_pasted = rows[rows["edit"] == "pasted_cells"]
    assert of_pasted.groupby(["stop", "baseline"]).size().to_dict() == {
        (stop, baseline): 3 for stop in ("suffix", "picture") for baseline in ("none", "random")
    }
    at_suffix = rows[(rows["stop"] == "suffix") & (rows["baseline"] == "none") & (rows["fraction"] == 1)]
    assert at_suffix.set_index("edit").loc[["transplant", "pasted_cells"], "cells"].nunique() == 1
    stories = subject.stories(edits, 7, np.zeros((8, 8, 3), np.uint8), frames=4)
    assert [story.edit.kind for story in stories][:2] == ["transplant", "pasted_cells"]
    assert len(stories[1].frames) == 4
    assert stories[1].reached
    [alone] = subject.stories(edits, 7, np.zeros((8, 8, 3), np.uint8), frames=4, recognised=False)
    assert alone.edit.kind == "pasted_cells"


def test_a_pasted_picture_says_nothing_of_the_decoder():
    """Its start is the picture itself, which the model always recognises."""
    layer, _ = subject_of_toy()
    views = PairViews(plain(RED, 128)[None], plain(BLUE, 128)[None], others=plain(GREEN)[None][:0])
    with torch.inference_mode():
        pictures, donors = (layer.split.prefix(network_input(layer.model, of)) for of in (views.pictures, views.donors))
    edits = edits_towards(layer, [7], LayerValues(pictures), (RED, BLUE), PairKnowledge(donors=LayerValues(donors)))
    assert pasted_cells(edits, views, [7], seed=0)[1] == []
    rows = PairCounterfactuals(layer, np.array([7]), pictures, (RED, BLUE), views=views).rows(edits)
    rows.loc[rows["edit"] != "pasted_cells", "predicted_decoded"] = GREEN
    assert recognised_images(rows).tolist() == []


def test_without_transplants_or_views_nothing_is_pasted():
    layer, activations = subject_of_toy()
    edits = edits_towards(layer, [7], LayerValues(activations[:1]), (RED, BLUE))
    views = PairViews(plain(RED)[None], plain(BLUE)[None], others=plain(GREEN)[None])
    assert pasted_cells(edits, views, [7], seed=0) == ([], [])
    subject = PairCounterfactuals(layer, np.array([7]), activations[:1], (RED, BLUE))
    assert subject.stories(edits, 7, np.zeros((8, 8, 3), np.uint8), frames=4, recognised=False) == []
