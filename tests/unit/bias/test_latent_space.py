"""Positions along the direction of a latent space."""

from __future__ import annotations

import numpy as np

from conceptrast.bias.autoencoder import Autoencoder, plain_preprocess
from conceptrast.bias.discriminant import discriminant_direction
from conceptrast.bias.encoding import encode_autoencoder
from conceptrast.bias.latent_space import latent_space

from .rotated_digits import pictures_of


def test_the_direction_is_fitted_on_training_pictures_and_places_validation_pictures():
    given = pictures_of()
    network = Autoencoder(8).eval()
    space = latent_space(network, given)
    train = given.table[given.table["split"] == "train"]
    codes = encode_autoencoder(network, given.batches(train, plain_preprocess(8))).codes
    np.testing.assert_allclose(space.direction.unit, discriminant_direction(codes, train["label"].to_numpy()).unit)
    validation = given.table[given.table["split"] == "validation"]
    assert space.positions["image"].tolist() == validation["image"].tolist()
    assert space.positions["rotation"].tolist() == validation["rotation"].tolist()
    np.testing.assert_allclose(space.positions["position"], space.direction.positions(space.codes))
