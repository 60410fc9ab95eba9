"""The regressor of rotations: it learns, follows the seed, wraps angles, refuses what it cannot be trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConfigError, ModelError
from conceptrast.bias.rotation_regressor import (
    RegressorOptions,
    RotationRegressor,
    angle_errors,
    as_degrees,
    train_rotation_regressor,
)
from conceptrast.data.dataset import open_dataset

DATASET = open_dataset({"kind": "rotated_pair", "train": 40, "validation": 12, "biased": False})
TABLE = DATASET.build_index().table


def trained(seed=0, size=8, **options):
    regressor = RotationRegressor(size, seed)
    history = train_rotation_regressor(
        regressor, DATASET, TABLE, RegressorOptions(**{"epochs": 2, "batch_size": 16, **options}), seed=seed
    )
    return regressor, history


def test_it_learns_to_read_the_angle_and_ends_frozen():
    regressor, history = trained(size=32, epochs=12)
    assert history["epoch"].tolist() == list(range(1, 13))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] / 2
    assert history["error"].iloc[-1] < 35  # guessing 90° misses by 45°
    assert not regressor.training
    assert not any(weight.requires_grad for weight in regressor.parameters())


def test_the_same_seed_gives_the_same_bits():
    one, again, other = (trained(seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_angles_wrap_outside_the_range_that_pictures_have():
    true = np.array([-89.0, 0.0, 90.0, 180.0, 269.0])
    radians = torch.from_numpy(np.deg2rad(true))
    np.testing.assert_allclose(as_degrees(3 * torch.stack([radians.cos(), radians.sin()], dim=1)), true, atol=1e-6)
    assert angle_errors(np.array([-80.0]), np.array([179.0])).item() == pytest.approx(101)


def test_what_it_cannot_be_trained_on_is_refused():
    with pytest.raises(ModelError, match="got 0 training and 12 validation pictures"):
        train_rotation_regressor(RotationRegressor(8), DATASET, TABLE[TABLE["split"] != "train"], RegressorOptions())
    with pytest.raises(ConfigError, match="8, 32, 128, 512"):
        RotationRegressor(20)
    with pytest.raises(ModelError, match=r"regressor of rotations diverged: loss .* in epoch \d; lower learning_rate"):
        trained(learning_rate=1e30)
