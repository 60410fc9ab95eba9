"""Positions along the direction of a latent space."""

from __future__ import annotations

import numpy as np

from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.discriminant import discriminant_direction, mean_difference
from conceptrast.bias.encoding import encode_autoencoder
from conceptrast.bias.latent_space import latent_space

from .rotated_digits import pictures_of


def test_the_direction_is_fitted_on_training_pictures_and_places_validation_pictures():
    given = pictures_of()
    network = Autoencoder(8).eval()
    space = latent_space(network, given)
    train = given.part("train")
    codes = encode_autoencoder(network, given.batches("train", plain_preprocess(8))).codes
    labels = train["label"].to_numpy()
    np.testing.assert_allclose(space.direction.unit, mean_difference(codes, labels).unit)
    np.testing.assert_allclose(space.directions["regression"].unit, discriminant_direction(codes, labels).unit)
    np.testing.assert_allclose(space.training, codes)
    validation = given.table[given.table["split"] == "validation"]
    assert space.positions["image"].tolist() == validation["image"].tolist()
    assert space.positions["rotation"].tolist() == validation["rotation"].tolist()
    np.testing.assert_allclose(space.positions["position"], space.direction.positions(space.codes))
    regression = space.directions["regression"].positions(space.codes)
    np.testing.assert_allclose(space.positions["position_regression"], regression)


def test_pictures_at_other_angles_are_placed_too_and_those_at_their_own_angles_as_before():
    space = latent_space(Autoencoder(8).eval(), pictures_of())
    biased = space.turned[space.turned["turned"] == "biased"]
    np.testing.assert_allclose(biased["position"], space.positions["position"], atol=1e-5)
    np.testing.assert_allclose(biased["rotation"], space.positions["rotation"])
    unbiased = space.turned[space.turned["turned"] == "unbiased"]
    np.testing.assert_allclose(space.direction.positions(space.unbiased), unbiased["position"], atol=1e-5)
    control = latent_space(Autoencoder(8).eval(), pictures_of("control"))
    np.testing.assert_allclose(control.positions["rotation"], unbiased["rotation"])
