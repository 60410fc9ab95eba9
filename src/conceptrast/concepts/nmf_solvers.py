"""The solvers of NMF by name, for many matrices at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from conceptrast.base.errors import ConfigError, unknown_name
from conceptrast.concepts.nmf import Factorization, nmf
from conceptrast.concepts.nmf_batched import batched_nmf
from conceptrast.concepts.semi_nmf import semi_nmf

SOLVERS = ("batched", "sklearn", "semi_nmf")

Item = TypeVar("Item")


def factorizations(
    matrices: Sequence[np.ndarray],
    n_components: int = 6,
    seed: int = 0,
    solver: str = "batched",
    tolerance: float = 1e-4,
) -> list[Factorization]:
    """Factorize each of several matrices.

    Args:
        matrices: the rows of each ``[n, C]``, not negative; of any sign for ``semi_nmf``.
        n_components: ``k``.
        seed: the seed of the start.
        solver: ``batched`` takes all at once (:func:`~conceptrast.concepts.nmf_batched.batched_nmf`); ``sklearn`` takes
            one after the other (:func:`~conceptrast.concepts.nmf.nmf`); ``semi_nmf`` lets components be negative
            (:func:`~conceptrast.concepts.semi_nmf.semi_nmf`).
        tolerance: the share of the first pass's change at which a class has finished; semi-NMF has a rule of its own.

    Raises:
        ConfigError: there is no such solver, or a number of components that is not possible.
        ShapeError, LayerError, NothingToFactorizeError, ConceptrastError: see :func:`~conceptrast.concepts.nmf.nmf`.

    Example:
        >>> [result] = factorizations([np.array([[2.0, 4.0], [1.0, 2.0]])], n_components=1)
        >>> (result.codes @ result.components).round(2).tolist()
        [[2.0, 4.0], [1.0, 2.0]]
    """
    if solver not in SOLVERS:
        raise ConfigError(unknown_name("solver", solver, SOLVERS))
    if solver == "sklearn":
        return [nmf(rows, n_components, seed, tolerance=tolerance) for rows in matrices]
    if solver == "semi_nmf":
        return [semi_nmf(rows, n_components, seed) for rows in matrices]
    return batched_nmf(matrices, n_components, seed, tolerance=tolerance)


def in_batches(items: Iterable[Item], size: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Gather items until they have ``most`` bytes.

    Args:
        items: the items; one at a time is taken.
        size: the bytes of an item.
        most: a batch ends with the item that reaches this number.

    Example:
        >>> [batch for batch in in_batches([5, 6, 30, 2, 4], size=int, most=10)]
        [[5, 6], [30], [2, 4]]
    """
    batch: list[Item] = []
    size_of_batch = 0
    for item in items:
        batch.append(item)
        size_of_batch += size(item)
        if size_of_batch >= most:
            yield batch
            batch = []
            size_of_batch = 0
    if batch:
        yield batch
