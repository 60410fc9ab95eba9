"""Steps along the direction, and the pictures there."""

from __future__ import annotations

import numpy as np

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.latent_space import latent_space
from conceptrast.bias.navigation import decoded_pictures, navigation, nearest_pictures, steps_along
from conceptrast.bias.rotation_regressor import RotationRegressor
from conceptrast.bias.visibility import readings_of_codes

from .rotated_digits import pictures_of


def test_steps_leave_the_outermost_hundredth_out():
    positions = np.append(np.linspace(0, 1, 999), 1000.0)
    steps = steps_along(positions)
    assert len(steps) == 10
    assert steps[-1] < 1
    np.testing.assert_allclose(np.diff(steps), np.diff(steps)[0])


def test_nearest_pictures_come_once_and_the_nearest_first():
    positions = np.array([5.0, 0.2, 0.0, 0.9, 1.1])
    pictures = nearest_pictures(positions, np.array([0.0, 0.1, 1.0]), 1)
    assert pictures.tolist() == [[2], [1], [3]]
    few = nearest_pictures(positions, np.array([0.0, 1.0]), 9)
    assert few.shape == (2, 2)
    assert len(set(few.ravel().tolist())) == 4


def test_decoding_takes_negative_places_as_zero():
    network = Autoencoder(8).eval()
    codes = np.random.default_rng(0).normal(size=(3, 128))
    pictures = decoded_pictures(network, codes)
    assert pictures.shape == (3, 8, 8, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, decoded_pictures(network, codes.clip(min=0)))


def test_only_the_autoencoder_decodes_and_every_step_has_its_nearest_pictures():
    network = Autoencoder(8).eval()
    given = pictures_of()
    space = latent_space(network, given)
    regressor = RotationRegressor(8).eval()
    steps = navigation({"autoencoder": space, "resnet": space}, network, regressor, given, "biased")
    assert steps.class_names == ("3", "4")
    assert list(steps.networks) == ["autoencoder", "resnet"]
    assert steps.networks["resnet"].decoded is None
    one = steps.networks["autoencoder"]
    unbiased = space.turned[space.turned["turned"] == "unbiased"]
    rows = nearest_pictures(unbiased["position"].to_numpy(), one.positions, 2)
    assert one.labels.tolist() == unbiased["label"].to_numpy()[rows].tolist()
    assert one.rotations.tolist() == unbiased["rotation"].to_numpy()[rows].tolist()
    assert [len(pictures) for pictures in one.nearest] == [2] * 10
    np.testing.assert_array_equal(one.decoded.reconstructed, decoded_pictures(network, space.unbiased[rows[:, 0]]))
    straight = space.direction.codes(one.positions)
    np.testing.assert_allclose(one.decoded.straight_angles, readings_of_codes(network, regressor, straight))
