"""Maps by chance: their size, their smoothness, their seed."""

from __future__ import annotations

import cv2
import numpy as np

from conceptrast.saliency.chance_maps import centre_maps, random_maps


def test_random_maps_have_the_grid_of_the_layer_and_the_size_of_the_picture():
    maps = random_maps(3, (2, 5), (8, 30), seed=4)
    assert (maps.shape, maps.dtype) == ((3, 8, 30), np.float32)
    assert maps.min((1, 2)).tolist() == [0] * 3
    assert maps.max((1, 2)).tolist() == [1] * 3


def test_random_maps_are_uniform_on_the_grid_and_enlarged_bilinearly():
    fine = random_maps(200, (3, 3), (3, 3), seed=1)
    grids = fine.reshape(200, 9)
    assert abs(grids.mean() - 0.5) < 0.02  # 9 uniform values between their own minimum and maximum
    counts = np.histogram(grids[(grids > 0) & (grids < 1)], bins=4, range=(0, 1))[0]
    assert counts.min() > 0.8 * counts.mean()
    large = random_maps(200, (3, 3), (12, 9), seed=1)
    for small, enlarged in zip(fine, large, strict=True):
        expected = cv2.resize(small, (9, 12), interpolation=cv2.INTER_LINEAR)
        expected = (expected - expected.min()) / (expected.max() - expected.min())
        np.testing.assert_allclose(enlarged, expected, atol=1e-5)


def test_random_maps_differ_between_images_and_seeds_and_not_with_their_number():
    maps = random_maps(3, (4, 4), (8, 8), seed=0)
    assert not np.array_equal(maps[0], maps[1])
    assert np.array_equal(maps[:2], random_maps(2, (4, 4), (8, 8), seed=0))
    assert not np.array_equal(maps[0], random_maps(1, (4, 4), (8, 8), seed=1)[0])


def test_a_grid_of_one_position_says_nothing():
    assert not random_maps(2, (1, 1), (6, 6)).any()


def test_the_blob_lies_in_the_middle_and_falls_to_a_quarter_of_the_side():
    maps = centre_maps(2, (40, 81))
    assert (maps.shape, maps.dtype) == ((2, 40, 81), np.float32)
    assert np.array_equal(maps[0], maps[1])
    np.testing.assert_allclose(maps[0], maps[0, ::-1, ::-1], atol=1e-6)
    assert np.unravel_index(maps[0].argmax(), maps[0].shape) in {(19, 40), (20, 40)}
    assert (maps[0].min(), maps[0].max()) == (0, 1)
    y = (np.arange(40) + 0.5 - 20) / 10
    x = (np.arange(81) + 0.5 - 40.5) / 20.25
    blob = np.exp(-(y[:, None] ** 2 + x**2) / 2)
    np.testing.assert_allclose(maps[0], (blob - blob.min()) / (blob.max() - blob.min()), atol=1e-5)
