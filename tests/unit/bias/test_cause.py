"""Curves over the angle, and reliance: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.bias.cause import reliance, turned_change, turning_curve
from conceptrast.bias.latent_space import ANGLE_STEPS, turned_rows

from .planted import results_of


def test_a_curve_has_the_mean_of_a_class_at_every_angle_and_a_band_around_it():
    turned = results_of("rotation").turned
    turned["probability"] = turned["rotation"] / 180 + 0.01 * (turned["image"] % 4)  # 0 and 2 in class 1, 1 and 3 in 2
    curve = turning_curve(turned, "probability", label=1)
    assert curve.angles.tolist() == list(ANGLE_STEPS)
    np.testing.assert_allclose(curve.mean, np.array(ANGLE_STEPS) / 180 + 0.02)
    assert (curve.low < curve.mean).all()
    assert (curve.mean < curve.high).all()
    np.testing.assert_allclose(curve.high - curve.low, curve.high[0] - curve.low[0])  # the same spread at every angle
    # The standard error of a mean of 30 values that are 0.01 from it.
    assert curve.high[0] - curve.low[0] == pytest.approx(2 * 1.96 * 0.01 / np.sqrt(30), rel=0.1)


def test_the_change_leaves_90_degrees_out_and_has_its_unit():
    turned = results_of("class").turned
    turned["position"] = np.select([turned["rotation"] > 90, turned["rotation"] < 90], [5.0, 1.0], 100.0)
    change = turned_change(turned, "position", scale=2.0)
    assert change == {"position_turned": 2.0, "position_turned_low": 2.0, "position_turned_high": 2.0}


def test_accuracies_are_paired_by_picture():
    turned = results_of("rotation", n=8).turned
    wrong = (turned["turned"] == "biased") & (turned["image"] < 2)
    turned.loc[wrong, "probability"] = 1 - turned.loc[wrong, "probability"]
    measures = reliance(turned)
    assert (measures["accuracy_biased"], measures["accuracy_counter_biased"]) == (0.75, 0)
    assert measures["reliance"] == 0.75
    assert measures["reliance_low"] < 0.75 < measures["reliance_high"]


def test_turned_rows_are_the_same_pictures_at_their_angles():
    validation = results_of("class").positions[["image", "label", "label_name"]]
    rows = turned_rows(validation, seed=2)
    by_kind = {name: part.set_index("image") for name, part in rows.groupby("turned") if name != "steps"}
    assert list(by_kind) == ["biased", "counter_biased", "unbiased"]
    sign = np.where(by_kind["biased"]["label"] == 0, 90, -90)
    np.testing.assert_allclose(by_kind["counter_biased"]["rotation"] - by_kind["biased"]["rotation"], sign)
    assert by_kind["unbiased"]["rotation"].between(0, 180).all()
    steps = rows[rows["turned"] == "steps"]
    assert steps.groupby("rotation")["image"].apply(list).map(tuple).nunique() == 1
    assert steps["rotation"].unique().tolist() == list(ANGLE_STEPS)
