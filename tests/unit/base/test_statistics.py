"""Intervals against published values and their own symmetry."""

import numpy as np
import pytest
from scipy.stats import binomtest

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.statistics import (
    bootstrap_interval,
    bootstrap_intervals,
    bootstrap_ratio_intervals,
    mean_sd,
    wilson_interval,
)


def test_known_interval() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (1, 7), (17, 35), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_equal_to_scipy(successes: int, n: int, confidence: float) -> None:
    peer = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(successes, n, confidence) == pytest.approx((peer.low, peer.high), abs=1e-9)


def test_ends_are_exact_and_failures_mirror_successes() -> None:
    assert wilson_interval(0, 9)[0] == 0.0
    assert wilson_interval(9, 9)[1] == 1.0
    low, high = wilson_interval(3, 11)
    assert wilson_interval(8, 11) == pytest.approx((1 - high, 1 - low))


def test_nothing_known_without_trials() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ConceptrastError, match="4 successes in 3 trials"):
        wilson_interval(4, 3)
    with pytest.raises(ConceptrastError, match="confidence is 95"):
        wilson_interval(1, 3, 95)


def test_mean_and_standard_deviation() -> None:
    assert mean_sd(np.array([2.0, 4.0, 9.0])) == pytest.approx((5.0, 13**0.5))
    assert mean_sd(np.array([0.3])) == (0.3, 0.0)
    with pytest.raises(ConceptrastError, match="no values"):
        mean_sd(np.array([]))


@pytest.mark.parametrize("n", [1, 5, 40])
def test_intervals_of_several_means_are_those_of_each_alone(n: int) -> None:
    values = np.random.default_rng(0).normal(size=(n, 3))
    low, high = bootstrap_intervals(values)
    for column in range(3):
        alone = bootstrap_interval(values[:, column])
        assert (low[column], high[column]) == pytest.approx(alone, abs=0.03)


def test_a_ratio_whose_whole_may_vanish_has_no_interval() -> None:
    values = np.array([[1.0], [1.0]])
    assert bootstrap_ratio_intervals(values, np.array([1.0, -1.0])) is None
    low, high = bootstrap_ratio_intervals(values, np.array([1.0, 2.0]))
    assert (low[0], high[0]) == (0.5, 1.0)


def test_no_units_are_refused() -> None:
    with pytest.raises(ConceptrastError, match="no values"):
        bootstrap_intervals(np.empty((0, 2)))
