"""Batched NMF: each update is the best one, exact factorizations are found, and other classes do not matter."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ShapeError
from conceptrast.concepts.nmf import NothingToFactorizeError, reconstruction_error
from conceptrast.concepts.nmf_batched import (
    SMALL,
    Factors,
    Rows,
    alternate,
    batched_nmf,
    hals_step,
    padded_size,
    projected_gradient,
)
from conceptrast.concepts.nmf_start import nndsvda, sketch

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=NO_GPU)]
LARGE = (700, 500)
"""Large enough for passes on a sketch."""


def sparse_rows(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Five parts and noise, mostly zeros, as activations after a ReLU are."""
    draw = np.random.default_rng(seed)
    codes = draw.gamma(0.3, size=(shape[0], 5))
    components = draw.gamma(0.3, size=(5, shape[1]))
    rows = codes @ components + 0.3 * draw.standard_normal(shape)
    return np.maximum(rows - 0.1, 0).astype(np.float32)


def exact_rows(shape: tuple[int, int]) -> np.ndarray:
    """Three components with channels of their own; some rows hold one component alone, so no other factors fit."""
    draw = np.random.default_rng(0)
    blocks = np.arange(shape[1]) * 3 // shape[1]
    components = (blocks == np.arange(3)[:, None]) * draw.uniform(0.5, 2, shape[1])
    codes = draw.random((shape[0], 3))
    codes[:30] = np.repeat(np.eye(3), 10, axis=0)
    return (codes @ components).astype(np.float32)


def test_a_step_worked_out_by_hand() -> None:
    """Row 1 is (6 - 1·2)/2 and (0 - 1·0)/2; row 2 sees it: (3 - 1·2)/1 and (-5 - 1·0)/1, which is cut at zero."""
    products = torch.tensor([[[6.0, 0.0], [3.0, -5.0]]])
    gram = torch.tensor([[[2.0, 1.0], [1.0, 1.0]]])
    before = torch.tensor([[[9.0, 9.0], [2.0, 0.0]]])
    step = hals_step(before, products, gram)
    assert step.factor.tolist() == [[[2.0, 0.0], [1.0, 0.0]]]
    assert step.unbounded.tolist() == [[[2.0, 0.0], [1.0, -5.0]]]
    assert before.tolist() == [[[9.0, 9.0], [2.0, 0.0]]]


def test_a_component_that_is_nowhere_stays_as_it_is() -> None:
    gram = torch.tensor([[[0.0, 0.0], [0.0, 2.0]]])
    before = torch.ones(1, 2, 1)
    step = hals_step(before, torch.tensor([[[0.0], [6.0]]]), gram)
    assert step.factor.tolist() == [[[1.0], [3.0]]]
    assert projected_gradient(before, step.unbounded, gram).tolist() == [4.0]


@pytest.mark.parametrize("device", DEVICES)
def test_steps_end_at_the_least_squares_answer(device: str) -> None:
    draw = np.random.default_rng(3)
    rows = draw.random((5, 30))
    components = draw.random((4, 30))
    values = torch.tensor(rows[None], dtype=torch.float32, device=device)
    fixed = torch.tensor(components[None], dtype=torch.float32, device=device)
    codes = torch.ones(1, 4, 5, device=device)
    for _ in range(300):
        codes = hals_step(codes, fixed @ values.mT, fixed @ fixed.mT).factor
    expected = [nnls(components.T, row)[0] for row in rows]
    np.testing.assert_allclose(codes[0].mT.cpu(), expected, atol=1e-4)


def test_no_step_raises_the_error() -> None:
    values = torch.from_numpy(sparse_rows((60, 40)))[None]
    codes, components = nndsvda(sketch(values / values.mean(), 20, seed=0), n_components=4)
    errors = []
    for _ in range(20):
        codes = hals_step(codes, components @ values.mT, components @ components.mT).factor
        errors.append(float((values - codes.mT @ components).norm()))
        components = hals_step(components, codes @ values, codes @ codes.mT).factor
        errors.append(float((values - codes.mT @ components).norm()))
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(errors))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(70, 12), LARGE])
def test_exact_factorization_is_found(shape: tuple[int, int], device: str) -> None:
    rows = exact_rows(shape)
    [(components, codes)] = batched_nmf([rows], 3, device=device)
    assert components.shape == (3, shape[1])
    assert codes.shape == (shape[0], 3)
    assert components.min() >= 0
    assert codes.min() >= 0
    assert reconstruction_error(rows, components, codes) < 1e-2
    # Each component is one of the three blocks.
    blocks = np.stack([components[:, np.arange(shape[1]) * 3 // shape[1] == block].sum(1) for block in range(3)], 1)
    assert sorted(blocks.argmax(1)) == [0, 1, 2]
    assert (blocks.max(1) / blocks.sum(1) > 0.97).all()


@pytest.mark.parametrize("shape", [(90, 40), LARGE])
def test_the_end_is_a_minimum(shape: tuple[int, int]) -> None:
    """Many more passes over the rows themselves hardly lower the error."""
    rows = sparse_rows(shape)
    [(components, codes)] = batched_nmf([rows], 4)
    start = Factors(torch.from_numpy(codes.T.copy())[None], torch.from_numpy(components)[None])
    further = alternate(Rows(torch.from_numpy(rows)[None]), start, max_iter=500, tolerance=0)
    error = reconstruction_error(rows, further.components[0].numpy(), further.codes[0].mT.numpy())
    assert reconstruction_error(rows, components, codes) <= error * 1.002


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(90, 40), LARGE])
def test_components_of_a_class_do_not_depend_on_other_classes(shape: tuple[int, int], device: str) -> None:
    """Other classes have the same size, nearly the same, or another one; they finish sooner or later."""
    rows = sparse_rows(shape)
    others = [exact_rows(shape), sparse_rows((shape[0] - 1, shape[1]), seed=1), sparse_rows((30, 20), seed=2)]
    others += [sparse_rows(shape, seed=seed) for seed in range(3, 8)]
    [alone] = batched_nmf([rows], 4, device=device)
    results = [batched_nmf([rows, *others], 4, device=device)[0], batched_nmf([*others, rows], 4, device=device)[-1]]
    for result in results:
        if device == "cpu":
            assert np.array_equal(result.components, alone.components)
            assert np.array_equal(result.codes, alone.codes)
        else:
            # A GPU chooses another order of sums for another number of classes.
            np.testing.assert_allclose(result.components, alone.components, atol=1e-3 * alone.components.max())


def test_batches_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = [sparse_rows((90, 40), seed=seed) for seed in range(5)]
    whole = batched_nmf(matrices, 3)
    monkeypatch.setattr("conceptrast.concepts.nmf_batched.BATCH_BYTES", 2 * 96 * 40 * 4)
    for part, result in zip(batched_nmf(matrices, 3), whole, strict=True):
        assert np.array_equal(part.components, result.components)


@pytest.mark.parametrize("shape", [(90, 40), LARGE])
def test_rows_and_channels_of_zeros_have_no_part(shape: tuple[int, int]) -> None:
    rows = sparse_rows(shape)
    rows[::2] = 0
    rows[:, : shape[1] // 3] = 0
    rows[:, -1] = 0
    [(components, codes)] = batched_nmf([rows], 4)
    assert not codes[::2].any()
    assert not components[:, : shape[1] // 3].any()
    assert not components[:, -1].any()
    kept = rows[1::2, shape[1] // 3 : -1]
    [(of_kept, codes_of_kept)] = batched_nmf([kept], 4)
    error = reconstruction_error(kept, of_kept, codes_of_kept)
    assert reconstruction_error(rows, components, codes) == pytest.approx(error, rel=1e-2)


def test_fewer_rows_than_components_that_are_not_zero() -> None:
    rows = np.zeros((9, 8), np.float32)
    rows[2] = 1.0
    rows[5, :4] = 2.0
    [(components, codes)] = batched_nmf([rows], 4)
    assert np.isfinite(components).all()
    assert reconstruction_error(rows, components, codes) < 1e-2


def test_scale_of_the_rows_is_that_of_the_codes() -> None:
    rows = sparse_rows((90, 40))
    plain, tiny = batched_nmf([rows, rows * np.float32(2.0**-30)], 3)
    assert np.array_equal(plain.components, tiny.components)
    assert np.array_equal(plain.codes * np.float32(2.0**-30), tiny.codes)


def test_the_sketch_is_the_seeds_and_tensors_are_taken() -> None:
    rows = sparse_rows(LARGE)
    first, again, other = (batched_nmf([torch.from_numpy(rows)], 4, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first.components, again.components)
    assert not np.array_equal(first.components, other.components)
    errors = [reconstruction_error(rows, *result) for result in (first, other)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)


def test_one_pass_at_most() -> None:
    rows = sparse_rows((90, 40))
    errors = [reconstruction_error(rows, *batched_nmf([rows], 4, max_iter=passes)[0]) for passes in (1, 5, 400)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[2] * 1.01


def test_bad_rows_are_named() -> None:
    good = np.ones((5, 3))
    with pytest.raises(NothingToFactorizeError, match="every row is zero"):
        batched_nmf([good, np.zeros((3, 4))], 1)
    with pytest.raises(LayerError, match="rectify: true"):
        batched_nmf([good, -good], 1)
    with pytest.raises(ShapeError, match=r"\[2, 2, 2\]"):
        batched_nmf([np.ones((2, 2, 2))], 1)
    with pytest.raises(ConceptrastError, match="not finite"):
        batched_nmf([np.array([[1.0, np.nan]])], 1)
    with pytest.raises(ConfigError, match=r"4 components in 5 rows of 3 channels.*between 1 and 3"):
        batched_nmf([good], 4)
    assert batched_nmf([], 1) == []


def test_large_sizes_are_rounded_up_by_an_eighth_at_most_and_small_ones_by_a_half() -> None:
    for count in range(1, 5000):
        assert count <= padded_size(count) <= count * (1.125 if count > SMALL else 1.5)
        assert padded_size(padded_size(count)) == padded_size(count)
