"""Geometry of patches, worked out by hand."""

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ShapeError
from conceptrast.concepts.patches import PatchGeometry, crop, pool, pooled_side

EVERY = np.array([0, 1, 2])


def test_published_cells_of_a_pooled_seven_by_seven_grid() -> None:
    cells = PatchGeometry(view=(224, 224), activations=(7, 7), kernel=2, stride=2, window="cell")
    assert cells.boxes(EVERY, EVERY[::-1]).tolist() == [[0, 148, 74, 74], [74, 74, 74, 74], [148, 0, 74, 74]]


def test_windows_are_centred_on_what_was_pooled() -> None:
    # 7 positions on 224 pixels are 32 pixels each; kernel 3 at row 1 spans 32..128, its centre is 80.
    windows = PatchGeometry(view=(224, 224), activations=(7, 7), kernel=3, stride=1, window=0.25)
    assert windows.boxes(np.array([1]), np.array([2])).tolist() == [[80 - 28, 112 - 28, 56, 56]]


def test_windows_of_other_than_square_views() -> None:
    # heights: 6 positions of 20 pixels, position 2 is centred on 50; widths: 3 positions of 30, position 0 on 15.
    windows = PatchGeometry(view=(120, 90), activations=(6, 3), kernel=1, stride=1, window=0.5)
    assert windows.boxes(np.array([2]), np.array([0])).tolist() == [[20, 0, 60, 45]]


@pytest.mark.parametrize("window", ["cell", 0.1, 0.33, 0.5, 1.0])
@pytest.mark.parametrize(("side", "kernel", "stride"), [(7, 2, 2), (7, 3, 1), (6, 2, 2), (3, 1, 1), (14, 5, 3)])
def test_windows_stay_inside_the_view(window, side: int, kernel: int, stride: int) -> None:
    grid = pooled_side(side, kernel, stride)
    rows, columns = np.divmod(np.arange(grid * grid), grid)
    boxes = PatchGeometry(view=(97, 131), activations=(side, side), kernel=kernel, stride=stride, window=window).boxes(
        rows, columns
    )
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= 97).all()
    assert (boxes[:, 1] + boxes[:, 3] <= 131).all()
    assert len(np.unique(boxes[:, 2:], axis=0)) == 1


def test_pooling_drops_what_fills_no_window() -> None:
    grid = torch.arange(49.0).reshape(1, 1, 7, 7)
    pooled = pool(grid, 2, 2)
    assert pooled.shape[-2:] == (3, 3) == (pooled_side(7, 2, 2),) * 2
    assert pooled[0, 0, 1, 2] == (18 + 19 + 25 + 26) / 4
    assert torch.equal(pool(grid, 1, 1), grid)


def test_a_kernel_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="kernel of 4 does not fit activations of 3x3"):
        pool(torch.zeros(1, 1, 3, 3), 4, 1)


def test_crop_takes_the_box() -> None:
    view = torch.arange(75).reshape(3, 5, 5)
    assert crop(view, (1, 2, 2, 3))[1].tolist() == [[32, 33, 34], [37, 38, 39]]
