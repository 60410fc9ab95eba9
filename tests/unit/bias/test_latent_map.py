"""Maps of a latent space."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.latent_map import BOXES, latent_map, tsne, turned_right
from conceptrast.bias.latent_space import latent_space

from .rotated_digits import pictures_of


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


def test_a_map_has_training_and_validation_pictures_and_boxes_of_the_latter():
    given = pictures_of()
    space = latent_space(Autoencoder(8).eval(), given)
    made = latent_map(space, given, size=8)
    assert made.n_training == 30
    assert made.places.shape == (54, 2)
    assert made.labels[30:].tolist() == space.positions["label"].tolist()
    assert len(made.boxes) == BOXES
    validation = made.places[made.n_training :]
    rows = [int(np.linalg.norm(validation - box.place, axis=1).argmin()) for box in made.boxes]
    assert len(set(rows)) == BOXES
    assert [box.label for box in made.boxes] == space.positions["label"].to_numpy()[rows].tolist()
    assert made.boxes[0].picture.shape == (8, 8, 3)
