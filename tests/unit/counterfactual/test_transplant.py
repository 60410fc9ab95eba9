"""Transplants on a network whose class is one cell."""

from __future__ import annotations

import pytest
import torch

from conceptrast.counterfactual.edits import Edit, Edits
from conceptrast.counterfactual.transplant import NoEvidenceError, margin_evidence, transplant

from .toys import one_cell

PAIR = (0, 1)


def planted(channel: int, *cells: tuple[int, int], value: float = 1.0) -> torch.Tensor:
    """Activations ``[3, 4, 4]`` with a value in some cells of one channel."""
    activations = torch.zeros(3, 4, 4)
    for row, column in cells:
        activations[channel, row, column] = value
    return activations


def made(picture: torch.Tensor, donors: torch.Tensor, cells: int):
    split = one_cell()
    evidence = (
        margin_evidence(split, picture[None], PAIR)[0],
        margin_evidence(split, donors, PAIR[::-1]),
    )
    return transplant(split, picture, donors, evidence, PAIR, cells=cells)


def test_evidence_lies_where_the_deciding_cell_is():
    evidence = margin_evidence(one_cell(), planted(0, (1, 2), value=0.5)[None], PAIR)
    assert evidence[0].nonzero().tolist() == [[1, 2]]
    assert float(evidence[0, 1, 2]) == pytest.approx(5)  # ten times the cell
    assert torch.equal(evidence, margin_evidence(one_cell(), planted(0, (1, 2), value=0.5)[None], PAIR, batch_size=1))


def test_the_one_cell_that_decides_is_replaced_by_the_one_that_decides_elsewhere():
    """A's cell at (1, 2), B's at (3, 0) of the second donor: one cell makes B of A."""
    picture = planted(0, (1, 2))
    donors = torch.stack([planted(2, (0, 0)) + planted(1, (2, 2), value=0.2), planted(1, (3, 0), value=0.9)])
    result = made(picture, donors, cells=1)
    assert (result.donor, result.cells) == (1, [(6, 12)])  # (1, 2) and (3, 0), row by row
    assert result.change.any(dim=0).nonzero().tolist() == [[1, 2]]
    moved = picture + result.change
    assert one_cell().suffix(moved[None]).argmax().item() == 1
    assert torch.equal(moved, planted(1, (1, 2), value=0.9))


def test_all_cells_of_the_class_are_taken_away_in_order_and_with_one_shift():
    """A is in two cells beside each other, B in one: the first makes B as likely, the second takes the rest of A."""
    picture = planted(0, (1, 1), (1, 2), value=1.0)
    donors = planted(1, (2, 0), value=0.9)[None]
    result = made(picture, donors, cells=2)
    moved = picture + result.change
    assert len(result.cells) == 2
    assert not moved[0].any()
    assert float(moved[1].max()) == pytest.approx(0.9)
    places = result.change.any(dim=0)
    assert places.nonzero().tolist() == [[1, 1], [1, 2]]
    assert sorted(result.order[places].tolist()) == [0, 1]
    # The way puts the whole first cell in before the second one begins.
    edit = Edit("transplant", "none", "cells", "0", result.change, result.order)
    half = Edits.of(one_cell(), picture[None], [edit]).at(torch.tensor([0.5]))[0]
    assert int((half != picture).any(dim=0).sum()) == 1


def test_no_more_cells_than_there_are_and_they_touch():
    picture = torch.rand(3, 4, 4)
    donors = torch.rand(2, 3, 4, 4)
    for cells in (1, 3, 30):
        result = made(picture, donors, cells)
        assert len(result.cells) <= min(cells, 16)
        places = result.change.any(dim=0).nonzero().tolist()
        assert len(places) == len(result.cells)
        taken = [tuple(place) for place in places]
        for row, column in taken:
            near = [(y, x) for y, x in taken if max(abs(y - row), abs(x - column)) == 1]
            assert near or len(result.cells) == 1


def test_the_first_cell_is_the_best_of_all_that_are_tried():
    """Four places of the picture and four of the donor: the largest margin of these pairs, one by one."""
    torch.manual_seed(0)
    picture = torch.rand(3, 4, 4)
    donors = torch.rand(1, 3, 4, 4)
    result = made(picture, donors, cells=1)
    logits = one_cell().suffix((picture + result.change)[None])[0]
    best = -torch.inf
    evidence = [margin_evidence(one_cell(), a, p)[0] for a, p in ((picture[None], PAIR), (donors, PAIR[::-1]))]
    for place in evidence[0].flatten().topk(4).indices.tolist():
        for source in evidence[1].flatten().topk(4).indices.tolist():
            moved = picture.clone().flatten(1)
            moved[:, place] = donors[0].flatten(1)[:, source]
            values = one_cell().suffix(moved.view(1, 3, 4, 4))[0]
            best = max(best, float(values[1] - values[0]))
    assert float(logits[1] - logits[0]) == pytest.approx(best, abs=1e-5)


def test_donors_without_evidence_are_refused():
    with pytest.raises(NoEvidenceError, match="speaks for it: nothing to transplant"):
        made(planted(0, (1, 2)), torch.zeros(2, 3, 4, 4), cells=2)
