"""Semi-NMF: answers by hand, a falling error, and other solvers of the same problem as references."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from conceptrast.base.errors import ConceptrastError, ConfigError, ShapeError
from conceptrast.concepts.nmf import NothingToFactorizeError
from conceptrast.concepts.semi_nmf import (
    best_components,
    cluster_codes,
    semi_nmf,
    squared_error,
    updated_codes,
)


@pytest.fixture
def signed() -> np.ndarray:
    """Rows of rank 3 with noise: components of both signs, codes that are not negative."""
    rng = np.random.default_rng(0)
    codes = rng.exponential(size=(80, 3)) * (rng.random((80, 3)) < 0.6)
    return (codes @ rng.standard_normal((3, 12)) + 0.1 * rng.standard_normal((80, 12))).astype(np.float32)


def error_of(rows: np.ndarray, components: np.ndarray, codes: np.ndarray) -> float:
    return float(((rows - codes @ components) ** 2).sum())


def test_two_directions_that_cancel_each_other_are_found() -> None:
    # By hand: rows on two rays of opposite sign. Codes cannot be negative, so one component cannot hold both.
    rows = np.array([[1.0, -2.0], [2.0, -4.0], [-1.0, 2.0], [-3.0, 6.0]])
    components, codes = semi_nmf(rows, 2)
    np.testing.assert_allclose(codes @ components, rows, atol=1e-4)
    one, of_one = semi_nmf(rows, 1)
    # The best single ray is that of the longer side, (-1, 2): it leaves the rows (1, -2) and (2, -4), 5 + 20.
    assert error_of(rows, one, of_one) == pytest.approx(25, rel=1e-4)


def test_one_step_by_hand() -> None:
    # One component (1, -1): the code of (3, 1) is (3 - 1) / 2 = 1, and that of (0, 4) would be -2.
    codes = updated_codes(torch.tensor([[3.0, 1.0], [0.0, 4.0]]), torch.ones(2, 1), torch.tensor([[1.0, -1.0]]))
    assert codes.tolist() == [[1.0], [0.0]]
    # With these codes the component is the first row, and the error is what the second row holds.
    components = best_components(torch.tensor([[3.0, 1.0], [0.0, 4.0]]), codes)
    assert components.tolist() == [[3.0, 1.0]]
    assert squared_error(torch.tensor([[3.0, 1.0], [0.0, 4.0]]), codes, components) == 16


def test_the_error_never_rises(signed: np.ndarray) -> None:
    errors = [error_of(signed, *semi_nmf(signed, 4, max_iter=passes)) for passes in range(25)]
    assert errors[0] > 1.2 * errors[-1]
    assert (np.diff(errors) <= 1e-5 * errors[0]).all()


def test_as_low_as_alternating_least_squares(signed: np.ndarray) -> None:
    """Reference: both factors exactly in turn, codes by Lawson and Hanson's active sets, from the same start."""
    codes = cluster_codes(signed / np.abs(signed).mean(), 3, seed=0).numpy()
    for _ in range(200):
        components = np.linalg.lstsq(codes, signed, rcond=None)[0]
        codes = np.stack([nnls(components.T.astype(float), row.astype(float))[0] for row in signed])
    assert error_of(signed, *semi_nmf(signed, 3)) <= 1.01 * error_of(signed, components, codes)


def test_as_low_as_the_published_updates_in_fewer_passes(signed: np.ndarray) -> None:
    """Reference: the multiplicative update of the codes by Ding, Li and Jordan (equation 11), from the same start."""
    codes = cluster_codes(signed / np.abs(signed).mean(), 3, seed=0).double().numpy()
    rows = signed.astype(float)
    errors = []
    for _ in range(1000):
        components = np.linalg.pinv(codes.T @ codes) @ codes.T @ rows
        errors.append(error_of(rows, components, codes))
        products = rows @ components.T
        gram = components @ components.T
        positive = np.maximum(products, 0) + codes @ np.maximum(-gram, 0)
        negative = np.maximum(-products, 0) + codes @ np.maximum(gram, 0)
        codes *= np.sqrt(positive / np.maximum(negative, 1e-30))
    assert (np.diff(errors) <= 1e-9 * errors[0]).all()
    assert error_of(rows, *semi_nmf(signed, 3)) <= 1.01 * errors[-1]
    assert error_of(rows, *semi_nmf(signed, 3, max_iter=20)) < errors[20]


def test_scale_seed_and_tensors(signed: np.ndarray) -> None:
    plain = semi_nmf(signed, 3, seed=1)
    again = semi_nmf(torch.from_numpy(signed), 3, seed=1)
    tiny = semi_nmf(signed * np.float32(2.0**-30), 3, seed=1)
    assert np.array_equal(plain.codes, again.codes)
    np.testing.assert_allclose(plain.components, tiny.components, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain.codes * 2.0**-30, tiny.codes, rtol=1e-3, atol=1e-14)
    assert plain.codes.min() == 0
    assert plain.components.min() < 0


def test_what_cannot_be_factorized() -> None:
    with pytest.raises(NothingToFactorizeError, match="every row is zero"):
        semi_nmf(np.zeros((3, 4)), 1)
    with pytest.raises(NothingToFactorizeError, match="no rows"):
        semi_nmf(np.zeros((0, 4)), 1)
    with pytest.raises(ShapeError, match="must be a matrix"):
        semi_nmf(np.zeros(3), 1)
    with pytest.raises(ConfigError, match="between 1 and 2"):
        semi_nmf(np.ones((2, 4)), 3)
    with pytest.raises(ConceptrastError, match="not finite"):
        semi_nmf(np.array([[np.nan, 1.0]]), 1)
