"""Sparseness of codes: ends of the scale, order, rows of zeros."""

from __future__ import annotations

import numpy as np
import pytest

from conceptrast.concepts.sparseness import gini, hoyer, mean_sparseness


@pytest.mark.parametrize("k", [2, 6, 50])
def test_ends_of_the_scale(k: int) -> None:
    single = np.eye(k)[:1] * 7
    equal = np.full((1, k), 3.0)
    assert hoyer(single) == pytest.approx([1.0])
    assert hoyer(equal) == pytest.approx([0.0], abs=1e-12)
    assert gini(single) == pytest.approx([1 - 1 / k])
    assert gini(equal) == pytest.approx([0.0], abs=1e-12)


def test_gini_is_half_the_mean_difference_relative_to_the_mean() -> None:
    codes = np.random.default_rng(0).random((5, 7))
    differences = np.abs(codes[:, :, None] - codes[:, None]).mean(axis=(1, 2))
    assert gini(codes) == pytest.approx(differences / (2 * codes.mean(axis=1)))


def test_neither_scale_nor_order_matter() -> None:
    codes = np.random.default_rng(1).random((5, 7))
    for measure in (hoyer, gini):
        assert measure(codes[:, ::-1] * 40) == pytest.approx(measure(codes))


def test_rows_of_zeros_do_not_count_and_one_component_cannot_be_sparse() -> None:
    assert mean_sparseness(np.array([[0.0, 0.0], [0.0, 2.0]])) == pytest.approx((1.0, 0.5))
    assert mean_sparseness(np.zeros((3, 2))) is None
    assert mean_sparseness(np.ones((3, 1))) is None
