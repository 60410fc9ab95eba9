"""Swaps on a network whose class is one cell, blocks and templates by hand."""

from __future__ import annotations

import numpy as np
import torch

from conceptrast.counterfactual.swap import (
    ClassComponents,
    Corner,
    Windows,
    best_swap,
    block_of,
    put_in,
    strongest_blocks,
    template,
)
from conceptrast.models.injection import LayerValues

from .test_transplant import planted
from .toys import one_cell

EYE = np.eye(3, dtype=np.float32)
ONES = np.ones(3)


def of_class(*rows: int) -> ClassComponents:
    """Components that are channels; windows of 2×2 positions."""
    return ClassComponents(EYE[list(rows)], ONES, Windows(2, 2))


def test_codes_are_means_of_windows_where_components_are_channels():
    codes = of_class(0, 1).codes(planted(1, (0, 1), (3, 3), value=2.0)[None])
    assert codes.shape == (1, 2, 2, 2)
    assert not codes[0, 0].any()
    torch.testing.assert_close(codes[0, 1], torch.tensor([[0.5, 0.0], [0.0, 0.5]]))


def test_weights_and_negative_values_are_seen_as_by_the_factorization():
    components = ClassComponents(EYE[:1], np.array([3.0, 1.0, 1.0]), Windows())
    codes = components.codes(torch.tensor([2.0, -5.0, 0.0, 0.0, 0.0, 0.0]).view(1, 3, 1, 2))
    torch.testing.assert_close(codes.flatten(), torch.tensor([6.0, 0.0]))


def test_the_blocks_lie_inside_the_layer():
    for windows in (Windows(), Windows(2, 2), Windows(3, 1), Windows(2, 1)):
        side = (6 - windows.kernel) // windows.stride + 1
        for window in range(side**2):
            corner, block = block_of(window, side, windows, (6, 6))
            assert 0 <= corner.top <= 6 - block
            assert 0 <= corner.left <= 6 - block
            row, column = divmod(window, side)
            assert corner.top <= row * windows.stride < corner.top + block
            assert corner.left <= column * windows.stride < corner.left + block


def test_a_layer_smaller_than_a_block_is_one_block():
    assert block_of(3, 2, Windows(), (2, 2)) == (Corner(0, 0), 2)


def test_a_template_is_the_mean_block_weighted_by_the_code():
    pictures = torch.stack([planted(1, (0, 0), value=1.0), planted(1, (2, 2), value=3.0)])
    codes = of_class(1).codes(pictures)
    assert strongest_blocks(codes, 0, Windows(2, 2), (4, 4)) == [(Corner(0, 0), 2), (Corner(2, 2), 2)]
    part = template(pictures, codes, 0, Windows(2, 2))
    # Codes 1/4 and 3/4, so (1·1 + 3·3) / 4 in the corner.
    torch.testing.assert_close(part[1], torch.tensor([[2.5, 0.0], [0.0, 0.0]]))


def test_a_part_is_put_in_and_the_picture_stays_as_it_was():
    picture = torch.zeros(1, 3, 3)
    moved = put_in(picture, torch.ones(1, 2, 2), Corner(1, 0))
    assert moved[0].tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert not picture.any()


def test_the_component_that_decides_is_swapped_for_the_one_that_decides_there():
    """A: channel 2 everywhere weak, channel 0 in one block. B: channel 1 in another block. 0 becomes 1 in A's block."""
    weak = planted(2, (0, 0), value=0.1)
    pictures = torch.stack([planted(0, (0, 2)) + weak, planted(0, (3, 0)) + weak])
    donors = torch.stack([planted(1, (0, 1)) + weak, planted(1, (2, 3)) + weak])
    swap = best_swap(one_cell(), LayerValues(pictures), donors, (of_class(2, 0), of_class(2, 1)), target=1)
    assert (swap.component, swap.other) == (1, 1)
    moved = pictures + swap.changes
    assert one_cell().suffix(moved).argmax(dim=1).tolist() == [1, 1]
    assert not moved[:, 0].any()
    for change, top, left in zip(swap.changes, (0, 2), (2, 0), strict=True):
        outside = torch.ones(4, 4, dtype=torch.bool)
        outside[top : top + 2, left : left + 2] = False
        assert not change[:, outside].any()


def test_batches_change_nothing():
    torch.manual_seed(1)
    pictures = torch.rand(3, 3, 4, 4)
    donors = torch.rand(4, 3, 4, 4)
    components = (of_class(0, 1), of_class(1, 2))
    subject = LayerValues(pictures)
    one, other = (best_swap(one_cell(), subject, donors, components, 1, batch_size=size) for size in (1, 64))
    assert (one.component, one.other) == (other.component, other.other)
    assert torch.equal(one.changes, other.changes)


def test_nothing_is_negative_after_a_swap_of_rectified_activations():
    torch.manual_seed(2)
    pictures = torch.rand(3, 3, 4, 4)
    donors = torch.rand(4, 3, 4, 4)
    swap = best_swap(one_cell(), LayerValues(pictures), donors, (of_class(0), of_class(1)), 1)
    assert float((pictures + swap.changes).min()) > -1e-6
