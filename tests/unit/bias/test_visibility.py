"""What is seen along a direction: ends, decoded pictures, the published curve; linear readings of codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from conceptrast.bias.autoencoder import Autoencoder
from conceptrast.bias.discriminant import mean_difference
from conceptrast.bias.rotation_content import PENALTY, explained, ridge_readout, rotation_content
from conceptrast.bias.rotation_regressor import RotationRegressor
from conceptrast.bias.visibility import decoded_turn, difference_curve, moved_codes, readings_of_codes, turn_along


def test_the_ends_are_fifths_and_their_interval_holds_the_difference():
    rng = np.random.default_rng(0)
    angles = 180 * rng.random(200)
    sorted_by_angle = turn_along(angles, angles)
    order = np.sort(angles)
    assert sorted_by_angle["turn"] == pytest.approx(order[-40:].mean() - order[:40].mean())
    assert sorted_by_angle["turn_low"] < sorted_by_angle["turn"] < sorted_by_angle["turn_high"]
    chances = [turn_along(rng.normal(size=200), angles, seed=draw) for draw in range(40)]
    assert sum(chance["turn_low"] < 0 < chance["turn_high"] for chance in chances) >= 34  # 38 of 40 are expected
    assert turn_along(-angles, angles)["turn"] == pytest.approx(-sorted_by_angle["turn"])


def test_decoded_pictures_turn_the_shorter_way_round():
    direction = mean_difference(np.array([[-1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    codes = np.random.default_rng(0).normal(size=(5, 2))
    angles = {-1: 200.0, 1: -40.0}  # 120° further, over 270° = -90°
    turn = decoded_turn(direction, codes, lambda moved: np.full(len(moved), angles[int(np.sign(moved[0, 0]))]))
    assert turn == {"decoded_turn": 120.0, "decoded_turn_low": 120.0, "decoded_turn_high": 120.0}
    first, second = moved_codes(codes, direction)
    np.testing.assert_allclose(first[:, 1], codes[:, 1])
    np.testing.assert_allclose(second[:, 0], 1)


def test_readings_do_not_depend_on_batches_and_take_negative_places_as_zero():
    autoencoder = Autoencoder(8).eval()
    regressor = RotationRegressor(8).eval()
    codes = np.random.default_rng(0).normal(size=(6, 128))
    all_at_once = readings_of_codes(autoencoder, regressor, codes)
    np.testing.assert_allclose(
        readings_of_codes(autoencoder, regressor, codes.clip(min=0), batch=4), all_at_once, atol=1e-3
    )
    assert torch.is_grad_enabled()


def test_a_perfect_separator_has_no_excess_and_positions_by_angle_do():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    rotations = 90 * (rng.random(300) + labels)
    separator = difference_curve(2.0 * labels + 1e-6 * rng.random(300), rotations, labels)
    assert separator.excess < 3
    by_angle = difference_curve(rotations, rotations, labels)
    np.testing.assert_allclose(by_angle.difference, by_angle.distance)
    assert by_angle.excess > 10
    assert separator.separator[[0, -1]] == pytest.approx([30, 90], abs=3)  # of two uniform ranges of 90°


def test_linear_readings_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    training = rng.normal(size=(40, 6))
    validation = rng.normal(size=(20, 6))
    targets = rng.normal(size=(40, 2))
    truth = rng.normal(size=(20, 2))
    around = training - training.mean(axis=0)
    reference = Ridge(alpha=PENALTY * (around**2).sum() / 6).fit(training, targets)
    readout = ridge_readout(training, validation)
    predicted = reference.predict(validation)
    np.testing.assert_allclose(readout @ (targets - targets.mean(axis=0)), predicted - targets.mean(axis=0))
    r2 = r2_score(truth, predicted, multioutput="variance_weighted")
    assert explained(readout, targets, truth) == pytest.approx(r2)


def test_codes_that_hold_the_angle_are_above_chance_and_others_within():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    rotations = 180 * rng.random(120)
    angle = np.deg2rad(rotations)
    held = np.stack([np.cos(angle), np.sin(angle), labels, np.zeros(120)], axis=1)

    def both(values):
        return values[:80], values[80:]

    content = rotation_content(both(held), both(rotations), both(labels))
    assert content["r2_turn"] > 0.95
    assert content["r2_turn_chance_low"] < content["r2_turn_chance_high"] < 0.3
    noise = rotation_content(both(rng.normal(size=(120, 4))), both(rotations), both(labels))
    assert noise["r2_turn_chance_low"] <= noise["r2_turn"] <= noise["r2_turn_chance_high"]
    dead = rotation_content(both(np.zeros((120, 3))), both(rotations), both(labels))
    assert dead["r2_turn"] == pytest.approx(0, abs=0.1)
