r"""Fill missing pixels of many planes at once: conjugate gradients, preconditioned by a multigrid cycle.

Notation: ``x`` values ``[H, W, P]`` of ``P`` planes, 0 where a pixel is known; ``m`` is 1 where a pixel is missing,
else 0; ``K`` the weights of the eight neighbours, 1/6 beside, above and below, 1/12 across a corner; ``d`` the sum of
a pixel's weights inside the picture; ``T`` the kernel ``[1 2 1]`` along both axes. ``K`` is ``T / 12`` without its
middle, so the matrix of the system is

.. math:: A x = m \, (d x - K * x) = m \, \big( (d + \tfrac{1}{3}) x - \tfrac{1}{12} T * x \big)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2  # comes with the grad-cam package
import numpy as np

from conceptrast.base.errors import DataError

_KERNEL = np.array([1.0, 2.0, 1.0])
_MOSTLY = 0.8  # the share of a coarse pixel's surroundings that has to be missing if the pixel is to be missing
_COARSEST = 4  # pixels along the longer side
_SWEEPS = 4  # of Jacobi, on the coarsest grid
_MOST_STEPS = 500  # ten are usual


@dataclass(frozen=True)
class Grid:
    """The system on one grid, and the way from the next coarser grid to this one. All arrays are ``[h, w, P]``.

    Args:
        missing: ``m``.
        centre: ``m (d + 1/3)``.
        neighbours: ``m / 12``.
        inverse: ``m / d``, the inverse of the matrix's diagonal.
        share: ``m`` divided by the weights with which coarse pixels reach a pixel, so that they add up to 1.
    """

    missing: np.ndarray
    centre: np.ndarray
    neighbours: np.ndarray
    inverse: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, missing: np.ndarray) -> Grid:
        """The system of missing pixels ``[h, w, P]``; the number format of ``missing`` is that of the arrays."""
        one = np.ones((*missing.shape[:2], 1), missing.dtype)
        coarse = np.zeros_like(one)
        coarse[::2, ::2] = 1
        weight = smooth(one) / 12
        diagonal = np.maximum(weight - one / 3, np.finfo(missing.dtype).eps)
        return cls(
            missing=missing,
            centre=missing * weight,
            neighbours=missing / 12,
            inverse=missing / diagonal,
            share=missing / smooth(coarse),
        )

    def product(self, x: np.ndarray) -> np.ndarray:
        """``A x``, for ``x`` that is 0 where a pixel is known."""
        product = self.centre * x
        product -= self.from_neighbours(x)
        return product

    def from_neighbours(self, x: np.ndarray) -> np.ndarray:
        """``m (T * x) / 12``."""
        neighbours = smooth(x)
        neighbours *= self.neighbours
        return neighbours

    def residual(self, right: np.ndarray, x: np.ndarray) -> np.ndarray:
        """``right - A x``."""
        product = self.product(x)
        return np.subtract(right, product, out=product)


def smooth(x: np.ndarray) -> np.ndarray:
    """``T * x`` of every plane of ``[H, W, P]``, with zeros outside the picture."""
    return cv2.sepFilter2D(x, -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_CONSTANT).reshape(x.shape)


def grids_of(missing: np.ndarray) -> list[Grid]:
    """Grids from fine to coarse, each with every second row and column of the one before it.

    A coarse pixel is missing if at least four fifths of its surroundings are. So lone pixels that are known hold the
    coarse values in their neighbourhood, as they hold the fine ones.

    Args:
        missing: ``[H, W, P]`` float32 or float64, 1 where a pixel is missing, else 0.

    Example:
        >>> [grid.missing.shape for grid in grids_of(np.ones((9, 14, 2)))]
        [(9, 14, 2), (5, 7, 2), (3, 4, 2)]
    """
    grids = [Grid.of(missing)]
    while max(missing.shape[:2]) > _COARSEST and missing.any():
        surroundings = cv2.sepFilter2D(missing, -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_REFLECT_101)
        mostly = surroundings.reshape(missing.shape)[::2, ::2] >= 16 * _MOSTLY
        missing = mostly.astype(missing.dtype)
        grids.append(Grid.of(missing))
    return grids


def cycle(grids: Sequence[Grid], residual: np.ndarray) -> np.ndarray:
    """One multigrid cycle: an estimate of what is still to be added to ``x``.

    A step of Jacobi, a correction from the coarser grids, a step of Jacobi. This is a symmetric and positive definite
    function of the residual, so that conjugate gradients can use it as a preconditioner.

    Args:
        grids: as :func:`grids_of` gives them.
        residual: ``[H, W, P]`` on the first grid, 0 where a pixel is known.

    Returns:
        ``[H, W, P]``, in the unit of ``x``.
    """
    grid = grids[0]
    x = residual * grid.inverse
    if len(grids) == 1:
        for _ in range(_SWEEPS):
            x += grid.residual(residual, x) * grid.inverse
        return x
    # What is left goes to the coarser grid, and its correction comes back, both by linear interpolation.
    left = grid.residual(residual, x)
    left *= grid.share
    correction = np.zeros_like(x)
    correction[::2, ::2] = cycle(grids[1:], smooth(left)[::2, ::2] * grids[1].missing)
    correction = smooth(correction)
    correction *= grid.share
    x += correction
    left = grid.residual(residual, x)
    left *= grid.inverse
    x += left
    return x


def fill(values: np.ndarray, missing: np.ndarray, tolerance: float) -> np.ndarray:
    """Solve for the missing pixels of every plane.

    Args:
        values: ``[H, W, P]`` float32 or float64; those of missing pixels do not count.
        missing: ``[H, W, P]`` bool; some pixels of every plane are known.
        tolerance: the largest error, as a share of the plane's largest absolute value. The multigrid cycle estimates
            the error.

    Returns:
        ``[H, W, P]``: known pixels as they were, and the solution in missing ones. The solution of a plane depends on
        the other planes only in that all take as many steps as the slowest.

    Raises:
        DataError: the tolerance is finer than the number format can give.

    Source: Saad, *Iterative Methods for Sparse Linear Systems*, 2003, sections 9.2 and 13.4.

    Example:
        >>> row = np.array([0.0, 9.0, 9.0, 3.0]).reshape(1, 4, 1)
        >>> fill(row, row == 9, 1e-6).ravel().round(4).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    # The system, and a first guess: the mean of the plane's known pixels.
    grids = grids_of(missing.astype(values.dtype))
    grid = grids[0]
    known = np.where(missing, 0, values)
    n_known = np.maximum((~missing).sum((0, 1)), 1)
    x = grid.missing * (known.sum((0, 1), dtype=np.float64) / n_known).astype(values.dtype)
    allowed = tolerance * _largest(known)
    residual = grid.residual(grid.from_neighbours(known), x)
    # Conjugate gradients, each plane for itself.
    z = cycle(grids, residual)
    direction = z.copy()
    product_before = _products(residual, z)
    for _ in range(_MOST_STEPS):
        along = grid.product(direction)
        step = _rows(_ratio(product_before, _products(direction, along)), x)
        x += step * direction
        residual -= step * along
        z = cycle(grids, residual)
        if not (_largest(z) > allowed).any():  # also if values are not finite
            return np.where(missing, x + z, values)
        product = _products(residual, z)
        direction *= _rows(_ratio(product, product_before), x)
        direction += z
        product_before = product
    raise DataError(f"missing pixels cannot be found to a tolerance of {tolerance:g}: allow a larger error")


def _products(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The scalar product of every plane ``[P]``; by rows first, which are long."""
    height, width, planes = one.shape
    columns = np.einsum("hx,hx->x", one.reshape(height, -1), other.reshape(height, -1))
    return columns.reshape(width, planes).sum(0)


def _largest(values: np.ndarray) -> np.ndarray:
    """The largest absolute value of every plane ``[P]``."""
    height, width, planes = values.shape
    return np.abs(values).reshape(height, -1).max(0).reshape(width, planes).max(0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _rows(numbers: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A number for each plane as a whole row ``[W, P]``; numpy multiplies long rows faster than short ones."""
    return np.tile(numbers, (like.shape[1], 1))
