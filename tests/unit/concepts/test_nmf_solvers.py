"""Solvers by name, and batches of bounded size."""

import numpy as np
import pytest

from conceptrast.base.errors import ConfigError
from conceptrast.concepts.nmf import nmf
from conceptrast.concepts.nmf_batched import batched_nmf
from conceptrast.concepts.nmf_solvers import factorizations, in_batches


def test_each_name_is_its_solver() -> None:
    draw = np.random.default_rng(0)
    matrices = [draw.random((12, 6), dtype=np.float32) for _ in range(2)]
    plain = factorizations(matrices, 2, seed=3, solver="sklearn")
    batched = factorizations(matrices, 2, seed=3)
    for number, rows in enumerate(matrices):
        assert np.array_equal(plain[number].components, nmf(rows, 2, seed=3).components)
        assert np.array_equal(batched[number].components, batched_nmf(matrices, 2, seed=3)[number].components)
        assert not np.array_equal(plain[number].components, batched[number].components)


def test_an_unknown_solver_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown solver 'batch'; nearest: batched"):
        factorizations([np.ones((3, 2))], 1, solver="batch")


def test_items_are_taken_when_their_batch_is_gathered() -> None:
    taken = []

    def items():
        for number in range(6):
            taken.append(number)
            yield number

    batches = in_batches(items(), size=lambda _: 4, most=8)
    assert next(batches) == [0, 1]
    assert taken == [0, 1]
    assert list(batches) == [[2, 3], [4, 5]]
    assert list(in_batches([], size=len, most=8)) == []
