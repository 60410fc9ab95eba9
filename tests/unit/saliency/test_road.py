"""Linear imputation: answers by hand, what it keeps, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.base.errors import ShapeError
from conceptrast.saliency.road import linear_imputation

RNG = np.random.default_rng(0)


def test_one_missing_pixel_is_the_weighted_mean_of_its_neighbours():
    picture = np.array([[[1.0, 2.0, 3.0], [4.0, 100.0, 6.0], [7.0, 8.0, 12.0]]])
    gone = np.zeros((3, 3), bool)
    gone[1, 1] = True
    expected = (2 + 4 + 6 + 8) / 6 + (1 + 3 + 7 + 12) / 12
    assert linear_imputation(picture, gone)[0, 1, 1] == pytest.approx(expected)
    gone = np.zeros((3, 3), bool)
    gone[0, 0] = True  # in the corner three neighbours are left
    assert linear_imputation(picture, gone)[0, 0, 0] == pytest.approx((2 / 6 + 4 / 6 + 100 / 12) / (5 / 12))


def test_missing_pixels_refer_to_each_other():
    """A row of four between 0 and 3: a straight line."""
    picture = np.array([[[0.0, 9.0, 9.0, 3.0]]])
    imputed = linear_imputation(picture, np.array([[False, True, True, False]]))
    np.testing.assert_allclose(imputed, [[[0, 1, 2, 3]]])


def test_a_plane_is_continued_inside_and_channels_are_apart():
    y, x = np.mgrid[:12, :15].astype(float)
    picture = np.stack([2 * y - x, 5 + 0 * x, x * 0.25 + y])
    gone = np.zeros((12, 15), bool)
    gone[2:9, 3:13] = RNG.random((7, 10)) < 0.8
    damaged = np.where(gone, 77.0, picture)
    np.testing.assert_allclose(linear_imputation(damaged, gone), picture, atol=1e-9)


def test_what_is_known_stays_and_the_picture_is_not_changed():
    picture = RNG.random((3, 9, 7)).astype(np.float32)
    before = picture.copy()
    gone = RNG.random((9, 7)) < 0.5
    imputed = linear_imputation(picture, gone)
    assert imputed.dtype == np.float32
    assert np.array_equal(picture, before)
    assert np.array_equal(imputed[:, ~gone], picture[:, ~gone])
    low = picture[:, ~gone].min(1, keepdims=True)
    high = picture[:, ~gone].max(1, keepdims=True)
    assert ((low <= imputed[:, gone]) & (imputed[:, gone] <= high)).all()
    assert np.array_equal(linear_imputation(picture, np.zeros((9, 7), bool)), picture)


def test_pictures_without_a_known_pixel_and_masks_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="every pixel is to be imputed"):
        linear_imputation(np.zeros((1, 2, 2)), np.ones((2, 2), bool))
    with pytest.raises(ShapeError, match=r"got \[1, 2, 3\] and \[3, 2\]"):
        linear_imputation(np.zeros((1, 2, 3)), np.ones((3, 2), bool))
