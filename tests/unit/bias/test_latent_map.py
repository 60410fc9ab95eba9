"""Maps of a latent space."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.bias.latent_map import tsne, turned_right


def test_maps_are_turned_so_that_positions_rise_to_the_right():
    rng = np.random.default_rng(0)
    places = rng.normal(size=(200, 2)) + 7
    turned, start, end, explained = turned_right(places, 5 - 3 * places[:, 1])
    np.testing.assert_allclose(turned[:, 0], -(places[:, 1] - places[:, 1].mean()))
    assert start < 0 < end
    assert explained == pytest.approx(1)
    distances = [np.linalg.norm(points - points[0], axis=1) for points in (places, turned)]
    np.testing.assert_allclose(*distances)  # turned, not stretched
    assert turned_right(places, rng.normal(size=200))[3] < 0.1


def test_maps_follow_the_seed():
    codes = np.random.default_rng(0).normal(size=(20, 5))
    assert np.array_equal(tsne(codes, 1), tsne(codes, 1))
    assert tsne(codes[:5], 0).shape == (5, 2)
