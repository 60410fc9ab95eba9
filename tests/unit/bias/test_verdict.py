"""Verdicts: a network that goes by the rotation alone, one that goes by the class, one that learnt nothing."""

from __future__ import annotations

import pytest

from conceptrast.bias.table import direction_rows, network_row
from conceptrast.bias.verdict import relies, shows

from .planted import results_of

BIAS = {"name": "b", "planned": {"resnet": 1}, "keep": {"resnet": "last"}}


def row_of(*arguments, **options):
    return network_row(BIAS, ("biased", "resnet", 0), results_of(*arguments, **options), seed=0)


def test_a_network_that_goes_by_the_rotation_alone_relies_on_it_and_shows_it():
    row = row_of("rotation")
    assert (row["relies"], row["shows"], row["verdict_reason"]) == ("yes", "yes", "")
    assert (row["accuracy_biased"], row["accuracy_counter_biased"], row["reliance"]) == (1, 0, 1)
    assert row["probability_turned"] == row["probability_turned_low"] == 1
    assert row["turn"] > 80  # far ends of 0° to 90° and of 90° to 180°, in no order within them
    assert row["position_turned"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("biased", [True, False])
def test_a_perfect_separator_of_the_classes_relies_on_nothing_and_shows_nothing(biased):
    row = row_of("class", biased=biased, n=240)
    assert (row["relies"], row["shows"], row["verdict_reason"]) == ("no", "no", "")
    assert row["accuracy_biased"] == row["accuracy_unbiased"] == row["accuracy_counter_biased"] == 1
    assert row["reliance"] == row["probability_turned"] == 0
    assert row["turn_low"] < 30


def test_a_training_that_learnt_nothing_is_not_the_same_as_no_bias():
    row = row_of("nothing")
    assert (row["relies"], row["shows"]) == ("not learnt", "not learnt")
    constant = results_of("class")
    constant.positions["position"] = 0.0
    row = network_row(BIAS, ("biased", "resnet", 0), constant, seed=0)
    assert (row["status"], row["relies"], row["shows"]) == ("skipped", "not learnt", "not learnt")
    assert row["verdict_reason"] == row["reason"] != ""


def test_a_regressor_that_cannot_read_gives_no_verdict_and_says_so():
    row = row_of("rotation", reading_error=40.0)
    assert (row["relies"], row["shows"]) == ("yes", "no verdict")
    assert row["verdict_reason"] == (
        "the regressor cannot read the rotation: its median error is 40°, and 20° are allowed"
    )
    assert row_of("rotation", reading_error=float("nan"))["shows"] == "no verdict"


def test_an_interval_that_holds_the_bound_gives_no_verdict_and_says_so():
    row = {"low": 0.099, "high": 0.101}
    assert relies(**row, accuracy_low=0.9) == (
        "no verdict",
        "reliance may be above or below 0.1: its interval is 0.10 to 0.10",
    )
    assert relies(0.1, 0.2, accuracy_low=0.9)[0] == "yes"
    assert relies(0.0, 0.1, accuracy_low=0.9)[0] == "no verdict"
    assert relies(0.0, 0.1, accuracy_low=0.7)[0] == "not learnt"
    assert shows(44.0, 46.0, "yes", reading_error=7.0) == (
        "no verdict",
        "the turn may be above or below 45°: its interval is 44° to 46°",
    )
    assert shows(45.0, 46.0, "no", reading_error=7.0)[0] == "yes"
    assert shows(-50.0, 44.9, "no verdict", reading_error=7.0)[0] == "no"


def test_a_row_says_why_each_of_its_verdicts_is_open():
    row = row_of("class, one time in ten the rotation", reading_error=40.0)
    assert (row["relies"], row["shows"]) == ("no verdict", "no verdict")
    assert row["reliance_low"] < 0.1 < row["reliance_high"]
    why_open, why_unseen = row["verdict_reason"].split("; ")
    assert why_open.startswith("reliance may be above or below 0.1")
    assert why_unseen.startswith("the regressor cannot read the rotation")


def test_too_few_pictures_give_no_verdict():
    row = row_of("rotation", n=4)
    assert (row["relies"], row["shows"]) == ("no verdict", "no verdict")
    assert row["verdict_reason"] == "a class has 2 validation pictures; 3 are needed"


def test_each_direction_has_a_row_with_its_own_positions():
    results = results_of("rotation")
    results.turned["position_regression"] = 2.0 * results.turned["label"]
    results.positions["position_regression"] = 2.0 * results.positions["label"] + results.positions["position"] * 1e-9
    means, regression = direction_rows(BIAS, ("biased", "resnet", 0), results, seed=0)
    assert [means["direction"], regression["direction"]] == ["means", "regression"]
    assert means["turn"] > 80 > 40 > regression["turn"]
    assert regression["position_turned"] == pytest.approx(0)
