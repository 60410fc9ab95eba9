"""Linear imputation: answers by hand, what it keeps, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from conceptrast.base.errors import DataError, ShapeError
from conceptrast.saliency.chance_maps import random_maps
from conceptrast.saliency.multigrid import cycle, grids_of
from conceptrast.saliency.road import NOISE, TOLERANCE, linear_imputation

RNG = np.random.default_rng(0)


def impute(picture: np.ndarray, gone: np.ndarray, tolerance: float = 1e-13) -> np.ndarray:
    """With one mask ``[H, W]``."""
    [imputed] = linear_imputation(picture, gone[None], tolerance)
    return imputed


def solved_exactly(picture: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The equations written down pixel by pixel, and solved by scipy."""
    height, width = gone.shape
    places = list(zip(*np.nonzero(gone), strict=True))
    numbers = {place: number for number, place in enumerate(places)}
    entries = []
    right = np.zeros((len(places), len(picture)))
    for (y, x), number in numbers.items():
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            if 0 <= y + dy < height and 0 <= x + dx < width:
                weight = 1 / 12 if dy and dx else 1 / 6
                entries.append((weight, number, number))
                if gone[y + dy, x + dx]:
                    entries.append((-weight, number, numbers[y + dy, x + dx]))
                else:
                    right[number] += weight * picture[:, y + dy, x + dx]
    filled = picture.copy()
    if places:
        weights, rows, columns = zip(*entries, strict=True)
        matrix = csr_matrix((weights, (rows, columns)))  # entries of the same place are added
        filled[:, gone] = spsolve(matrix, right).reshape(right.shape).T
    return filled


def test_one_missing_pixel_is_the_weighted_mean_of_its_neighbours():
    picture = np.array([[[1.0, 2.0, 3.0], [4.0, 100.0, 6.0], [7.0, 8.0, 12.0]]])
    gone = np.zeros((3, 3), bool)
    gone[1, 1] = True
    expected = (2 + 4 + 6 + 8) / 6 + (1 + 3 + 7 + 12) / 12
    assert impute(picture, gone)[0, 1, 1] == pytest.approx(expected)
    gone = np.zeros((3, 3), bool)
    gone[0, 0] = True  # in the corner three neighbours are left
    assert impute(picture, gone)[0, 0, 0] == pytest.approx((2 / 6 + 4 / 6 + 100 / 12) / (5 / 12))


def test_missing_pixels_refer_to_each_other():
    """A row of four between 0 and 3: a straight line."""
    picture = np.array([[[0.0, 9.0, 9.0, 3.0]]])
    imputed = impute(picture, np.array([[False, True, True, False]]))
    np.testing.assert_allclose(imputed, [[[0, 1, 2, 3]]])


def test_a_plane_is_continued_inside_and_channels_are_apart():
    y, x = np.mgrid[:12, :15].astype(float)
    picture = np.stack([2 * y - x, 5 + 0 * x, x * 0.25 + y])
    gone = np.zeros((12, 15), bool)
    gone[2:9, 3:13] = RNG.random((7, 10)) < 0.8
    damaged = np.where(gone, 77.0, picture)
    np.testing.assert_allclose(impute(damaged, gone), picture, atol=1e-9)


def test_what_is_known_stays_and_the_picture_is_not_changed():
    picture = RNG.random((3, 9, 7)).astype(np.float32)
    before = picture.copy()
    gone = RNG.random((9, 7)) < 0.5
    imputed = impute(picture, gone, TOLERANCE)
    assert imputed.dtype == np.float32
    assert np.array_equal(picture, before)
    assert np.array_equal(imputed[:, ~gone], picture[:, ~gone])
    low = picture[:, ~gone].min(1, keepdims=True)
    high = picture[:, ~gone].max(1, keepdims=True)
    assert ((low <= imputed[:, gone]) & (imputed[:, gone] <= high)).all()
    assert np.array_equal(impute(picture, np.zeros((9, 7), bool)), picture)


def test_pictures_without_a_known_pixel_and_masks_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="every pixel is to be imputed"):
        impute(np.zeros((1, 2, 2)), np.ones((2, 2), bool))
    with pytest.raises(ShapeError, match="every pixel is to be imputed"):
        linear_imputation(np.zeros((1, 2, 2)), np.array([np.zeros((2, 2), bool), np.ones((2, 2), bool)]))
    with pytest.raises(ShapeError, match=r"got \[1, 2, 3\] and \[1, 3, 2\]"):
        impute(np.zeros((1, 2, 3)), np.ones((3, 2), bool))


def test_a_tolerance_that_the_number_format_cannot_give_is_refused():
    picture = RNG.random((1, 8, 8)).astype(np.float32)
    with pytest.raises(DataError, match="tolerance of 1e-30: allow a larger error"):
        impute(picture, np.arange(64).reshape(8, 8) % 3 > 0, 1e-30)


def masks(side: int) -> np.ndarray:
    """Pixels of smooth maps, lone pixels, all but very few, a half, a frame, none."""
    smooth = random_maps(2, (5, 5), (side, side))
    lone = RNG.random((side, side))
    y, x = np.mgrid[:side, :side]
    few = (y % 9 > 0) | (x % 9 > 0)
    frame = (np.minimum(y, x) < 4) | (np.maximum(y, x) >= side - 4)
    by_rank = [ranks < np.quantile(ranks, share) for ranks in (*smooth, lone) for share in (0.2, 0.5, 0.8, 0.99)]
    return np.stack([*by_rank, few, y < side / 2, frame, y < 0])


@pytest.mark.parametrize("side", [1, 4, 29, 60])
def test_errors_are_within_the_tolerance_and_far_below_the_noise(side: int) -> None:
    """Also for a picture whose middle is not 0, in float32."""
    picture = (RNG.standard_normal((3, side, side)) + 3).astype(np.float32)
    gone = np.array([mask for mask in masks(side) if not mask.all()])
    imputed = linear_imputation(picture, gone)
    exact = np.stack([solved_exactly(picture.astype(np.float64), mask) for mask in gone])
    errors = np.abs(imputed - exact).max((1, 2, 3))
    assert errors.max() <= TOLERANCE * np.abs(picture).max() < NOISE / 20
    finer = linear_imputation(picture.astype(np.float64), gone, 1e-10)
    np.testing.assert_allclose(finer, exact, atol=1e-9 * np.abs(picture).max())


def test_a_mask_does_not_depend_on_the_masks_beside_it_but_for_the_tolerance():
    picture = RNG.standard_normal((2, 30, 20))
    gone = RNG.random((40, 30, 20)) < np.linspace(0.05, 0.95, 40)[:, None, None]
    together = linear_imputation(picture, gone)
    alone = np.stack([impute(picture, mask, TOLERANCE) for mask in gone])
    np.testing.assert_allclose(together, alone, atol=2 * TOLERANCE * np.abs(picture).max())


def test_the_multigrid_cycle_is_symmetric_and_positive_definite():
    missing = np.ones((9, 12, 1))
    missing[0, :5] = missing[4:6, 7:] = missing[8, 3] = 0
    grids = grids_of(missing)
    assert len(grids) == 3
    unit = np.eye(int(missing.sum()))
    columns = []
    for residual in unit:
        values = np.zeros(missing.shape)
        values[missing > 0] = residual
        correction = cycle(grids, values)
        assert not correction[missing == 0].any()
        columns.append(correction[missing > 0])
    matrix = np.array(columns)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0
