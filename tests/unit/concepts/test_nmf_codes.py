"""Codes of rows when the components are known, against exact answers and an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from conceptrast.base.errors import LayerError, ShapeError
from conceptrast.concepts.nmf_codes import codes_of


@pytest.mark.parametrize("scale", [1.0, 1e-7, 1e5])
def test_codes_are_recovered_where_components_are_independent(scale: float) -> None:
    rng = np.random.default_rng(3)
    components = rng.random((4, 12))
    codes = rng.random((30, 4)) * (rng.random((30, 4)) < 0.5)
    assert codes_of(scale * codes @ components, components) == pytest.approx(scale * codes, abs=2e-3 * scale)


def test_equal_to_non_negative_least_squares() -> None:
    rng = np.random.default_rng(4)
    rows = rng.random((20, 9))
    components = rng.random((5, 9))
    expected = np.stack([nnls(components.T, row)[0] for row in rows])
    assert codes_of(rows, components) == pytest.approx(expected, abs=5e-3)


def test_nothing_has_codes_of_zero() -> None:
    assert codes_of(np.zeros((3, 2)), np.ones((4, 2))).tolist() == np.zeros((3, 4)).tolist()


def test_components_of_zeros_have_codes_of_zero() -> None:
    assert codes_of(np.ones((3, 2)), np.zeros((4, 2))).tolist() == np.zeros((3, 4)).tolist()
    codes = codes_of(np.ones((3, 2)), np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert codes == pytest.approx(np.array([[0.0, 1.0]] * 3), abs=1e-3)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="rows have 3 channels, components 2"):
        codes_of(np.ones((1, 3)), np.ones((1, 2)))
    with pytest.raises(LayerError, match="negative"):
        codes_of(-np.ones((1, 2)), np.ones((1, 2)))
