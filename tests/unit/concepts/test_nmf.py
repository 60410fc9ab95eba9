"""NMF: exact where an exact factorization exists, and clear where there is none."""

import numpy as np
import pytest
import torch

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ShapeError
from conceptrast.concepts.nmf import NothingToFactorizeError, nmf, reconstruction_error


@pytest.fixture
def exact() -> np.ndarray:
    """A matrix of rank 3 whose three components use channels of their own."""
    rng = np.random.default_rng(0)
    components = np.kron(np.eye(3), [[1.0, 2.0, 0.5, 1.5]])
    # rows of one component alone make the factorization unique
    codes = np.concatenate([rng.random((40, 3)), np.repeat(np.eye(3), 10, axis=0)])
    return (codes @ components).astype(np.float32)


def test_exact_factorization_is_found(exact: np.ndarray) -> None:
    components, codes = nmf(exact, 3, seed=0)
    assert components.shape == (3, 12)
    assert codes.shape == (70, 3)
    assert components.min() >= 0
    assert codes.min() >= 0
    assert reconstruction_error(exact, components, codes) < 1e-2
    # each component is one of the three blocks
    blocks = components.reshape(3, 3, 4).sum(2)
    assert sorted(blocks.argmax(1)) == [0, 1, 2]
    assert (blocks.max(1) / blocks.sum(1) > 0.97).all()


def test_scale_of_the_rows_does_not_change_the_directions(exact: np.ndarray) -> None:
    plain = nmf(exact, 3)
    tiny = nmf(exact * np.float32(2.0**-30), 3)
    np.testing.assert_allclose(plain.components, tiny.components, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain.codes * 2.0**-30, tiny.codes, rtol=1e-3, atol=1e-14)


def test_same_seed_same_bits_and_tensors_are_taken(exact: np.ndarray) -> None:
    first = nmf(exact, 3, seed=4)
    second = nmf(torch.from_numpy(exact), 3, seed=4)
    assert np.array_equal(first.components, second.components)
    assert np.array_equal(first.codes, second.codes)


def test_more_components_never_fit_worse() -> None:
    rows = np.random.default_rng(1).random((60, 20))
    errors = [reconstruction_error(rows, *nmf(rows, k)) for k in (1, 4, 8)]
    assert errors == sorted(errors, reverse=True)


def test_rows_of_zeros_among_others_get_no_code(exact: np.ndarray) -> None:
    exact[5] = 0
    _, codes = nmf(exact, 3)
    assert not codes[5].any()


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.zeros((3, 4))])
def test_nothing_to_factorize(rows: np.ndarray) -> None:
    with pytest.raises(NothingToFactorizeError, match=r"no rows|every row is zero"):
        nmf(rows, 1)


def test_negative_values_ask_for_another_layer() -> None:
    with pytest.raises(
        LayerError, match=r"25.0% of the values in the rows .*after an activation.*rectify: true"
    ) as error:
        nmf(np.array([[1.0, -1.0], [2.0, 3.0]]), 1)
    assert "--rectify on the command line" in str(error.value)


def test_a_random_start_finds_the_exact_factorization_too_and_is_the_seeds(exact: np.ndarray) -> None:
    first, again, other = (nmf(exact, 3, seed, init="random") for seed in (0, 0, 1))
    assert reconstruction_error(exact, *first) < 1e-2
    assert np.array_equal(first.codes, again.codes)
    assert not np.array_equal(first.codes, other.codes)
    assert not np.array_equal(first.codes, nmf(exact, 3).codes)


def test_an_unknown_start_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown init 'randon'; nearest: random"):
        nmf(np.ones((5, 3)), 1, init="randon")


@pytest.mark.parametrize("k", [0, 4])
def test_impossible_number_of_components(k: int) -> None:
    with pytest.raises(ConfigError, match=f"{k} components in 5 rows of 3 channels.*between 1 and 3"):
        nmf(np.ones((5, 3)), k)


def test_other_bad_rows() -> None:
    with pytest.raises(ConceptrastError, match="not finite"):
        nmf(np.array([[1.0, np.nan]]), 1)
    with pytest.raises(ShapeError, match=r"\[2, 2, 2\]"):
        nmf(np.ones((2, 2, 2)), 1)
