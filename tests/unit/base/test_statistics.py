"""Intervals against published values and their own symmetry."""

import numpy as np
import pytest
from scipy.stats import binomtest

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.statistics import mean_sd, wilson_interval


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
