r"""ROAD (Remove And Debias): removed pixels get the values that their neighbours suggest, with a little noise.

Notation: ``x`` a picture ``[C, H, W]``; ``v_{ij}`` the weight of neighbour ``j`` of pixel ``i``, 1/6 beside it, above
and below, 1/12 across a corner; ``G`` the pixels that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from conceptrast.base.errors import ShapeError
from conceptrast.base.streams import Stream, generator

NOISE = 0.01
"""Standard deviation of the noise that is added to imputed pixels, in normalised units."""

_WEIGHTS = {(dy, dx): 1 / 12 if dy and dx else 1 / 6 for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx}
_OUTSIDE = -2  # in place of an unknown's number
_KNOWN = -1


def road_pictures(
    image: np.ndarray, rank: np.ndarray, percentiles: Sequence[int], seed: int, number: int
) -> Iterator[tuple[str, float, np.ndarray]]:
    """Two pictures for each share: without the most and without the least relevant pixels, which are imputed.

    Args:
        image: ``[C, H, W]`` normalised.
        rank: ``[H, W]``, 0 for the most relevant pixel.
        percentiles: the shares of the pixels that are removed, in percent.
        seed: the seed of the noise.
        number: the number of the image; its noise depends only on the seed, this number and the share.

    Returns:
        For each share metric (``road_most``, ``road_least``), share (0 to 1) and picture ``[C, H, W]``.

    Source: Rong et al. 2022, arXiv 2202.00449.

    Example:
        >>> rank = np.arange(4).reshape(2, 2)
        >>> for metric, share, picture in road_pictures(np.array([[[8.0, 0.0], [0.0, 0.0]]]), rank, [25], 0, 0):
        ...     print(metric, share, picture.round(0).tolist())
        road_most 0.25 [[[0.0, 0.0], [0.0, 0.0]]]
        road_least 0.25 [[[8.0, 0.0], [0.0, 2.0]]]
    """
    for percentile in percentiles:
        share = percentile / 100
        count = round(rank.size * percentile / 100)
        for metric, gone in (("road_most", rank < count), ("road_least", rank >= rank.size - count)):
            noise = generator(Stream.IMPUTATION_NOISE, seed, number, round(1e6 * share))
            filled = linear_imputation(image, gone)
            filled[:, gone] += NOISE * noise.standard_normal((len(image), count)).astype(image.dtype)
            yield metric, share, filled


def linear_imputation(picture: np.ndarray, gone: np.ndarray) -> np.ndarray:
    r"""Fill missing pixels with weighted means of their neighbours, some of which may be missing too.

    .. math:: \sum_j v_{ij} (x_i - x_j) = 0 \quad \text{for all } i \in G

    The sum is over the neighbours inside the picture. The system is symmetric and positive definite. It is factorized
    once for all channels, with an ordering for symmetric matrices. For half of a picture of 224×224 pixels that takes
    0.06 to 0.15 seconds of one core; the grad-cam package's imputer takes 0.12 to 0.35.

    Args:
        picture: ``[C, H, W]``, any unit.
        gone: ``[H, W]`` bool.

    Returns:
        ``[C, H, W]`` in the number format of ``picture``, which stays as it was; other pixels are unchanged.

    Raises:
        ShapeError: the two do not fit, or every pixel is gone, so there is nothing to impute from.

    Source: Rong et al. 2022, arXiv 2202.00449, section 4.2, without the noise.

    Example:
        >>> linear_imputation(np.array([[[1.0, 7.0, 5.0]]]), np.array([[False, True, False]])).round(6)
        array([[[1., 3., 5.]]])
    """
    if picture.ndim != 3 or picture.shape[1:] != gone.shape:
        raise ShapeError(f"a picture [C, H, W] needs a mask [H, W]; got {list(picture.shape)} and {list(gone.shape)}")
    if gone.all():
        raise ShapeError("every pixel is to be imputed: leave some to go by")
    filled = picture.copy()
    if gone.any():
        matrix, right = _system(picture, gone)
        factors = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        filled[:, gone] = factors.solve(right).T
    return filled


def _system(picture: np.ndarray, gone: np.ndarray) -> tuple[coo_matrix, np.ndarray]:
    """The matrix ``[n, n]`` of the ``n`` missing pixels, and the right-hand side ``[n, C]`` from the other pixels."""
    # Every missing pixel has a number, every other one a mark.
    n = int(gone.sum())
    number = np.full([side + 2 for side in gone.shape], _OUTSIDE)
    number[1:-1, 1:-1] = _KNOWN
    number[1:-1, 1:-1][gone] = np.arange(n)
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    ys, xs = (places + 1 for places in np.nonzero(gone))

    # The terms of each of the eight neighbours.
    diagonal = np.zeros(n)
    right = np.zeros((n, len(picture)))
    entries = []
    for (dy, dx), weight in _WEIGHTS.items():
        neighbour = number[ys + dy, xs + dx]
        diagonal += weight * (neighbour != _OUTSIDE)
        known = np.flatnonzero(neighbour == _KNOWN)
        missing = np.flatnonzero(neighbour >= 0)
        right[known] += weight * padded[:, ys[known] + dy, xs[known] + dx].T
        entries.append((missing, neighbour[missing], np.full(len(missing), -weight)))
    entries.append((np.arange(n), np.arange(n), diagonal))
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return coo_matrix((values, (rows, columns)), (n, n)), right
