r"""ROAD (Remove And Debias): removed pixels get the values that their neighbours suggest, with a little noise.

Notation: ``x`` a picture ``[C, H, W]``; ``v_{ij}`` the weight of neighbour ``j`` of pixel ``i``, 1/6 beside it, above
and below, 1/12 across a corner; ``G`` the pixels that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from conceptrast.base.errors import ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.saliency.multigrid import fill

NOISE = 0.01
"""Standard deviation of the noise that is added to imputed pixels, in normalised units."""

TOLERANCE = 5e-5
"""The largest error of an imputed pixel, as a share of its channel's largest value. The noise is far larger."""

_TOGETHER = 2**18  # numbers of all masks that are solved at once; more do not fit into a processor's cache


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
    # What goes.
    masks = []
    for percentile in percentiles:
        count = round(rank.size * percentile / 100)
        masks += [("road_most", percentile / 100, rank < count)]
        masks += [("road_least", percentile / 100, rank >= rank.size - count)]
    # What comes in its place, with noise.
    imputed = linear_imputation(image, np.stack([gone for _, _, gone in masks]))
    for (metric, share, gone), filled in zip(masks, imputed, strict=True):
        noise = generator(Stream.IMPUTATION_NOISE, seed, number, round(1e6 * share))
        filled[:, gone] += NOISE * noise.standard_normal((len(image), int(gone.sum()))).astype(image.dtype)
        yield metric, share, filled


def linear_imputation(picture: np.ndarray, gone: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    r"""Fill missing pixels with weighted means of their neighbours, some of which may be missing too.

    .. math:: \sum_j v_{ij} (x_i - x_j) = 0 \quad \text{for all } i \in G

    The sum is over the neighbours inside the picture. The systems of several masks are solved together, by conjugate
    gradients with a multigrid cycle (:mod:`conceptrast.saliency.multigrid`). A mask of a picture of 224×224 pixels
    takes 0.02 seconds of one core, whatever its share; a sparse factorization takes 0.02 to 0.25, and the grad-cam
    package's imputer 0.12 to 0.35.

    Args:
        picture: ``[C, H, W]``, any unit.
        gone: ``[M, H, W]`` bool, the masks.
        tolerance: the largest error of a pixel, as a share of the largest absolute value of its channel. In float32,
            rounding alone makes errors of 5e-5 where 99 % of the pixels are gone.

    Returns:
        ``[M, C, H, W]`` in the number format of ``picture``; pixels that are not gone are unchanged.

    Raises:
        ShapeError: the two do not fit, or every pixel is gone, so there is nothing to impute from.
        DataError: the tolerance is finer than the number format can give.

    Source: Rong et al. 2022, arXiv 2202.00449, section 4.2, without the noise.

    Example:
        >>> linear_imputation(np.array([[[1.0, 7.0, 5.0]]]), np.array([[[False, True, False]]])).round(3)
        array([[[[1., 3., 5.]]]])
    """
    if picture.ndim != 3 or gone.ndim != 3 or picture.shape[1:] != gone.shape[1:]:
        raise ShapeError(f"a picture [C, H, W] needs masks [M, H, W]; got {list(picture.shape)} and {list(gone.shape)}")
    if gone.all((1, 2)).any():
        raise ShapeError("every pixel is to be imputed: leave some to go by")
    values = picture.transpose(1, 2, 0).astype(np.result_type(picture.dtype, np.float32))
    together = max(1, _TOGETHER // picture.size)
    parts = [np.empty((0, *picture.shape), picture.dtype)]
    for start in range(0, len(gone), together):
        masks = gone[start : start + together].transpose(1, 2, 0)
        planes = fill(np.tile(values, len(masks.T)), np.repeat(masks, len(picture), axis=2), tolerance)
        filled = planes.reshape(*masks.shape, len(picture)).transpose(2, 3, 0, 1)
        parts.append(filled.astype(picture.dtype, order="C"))
    return np.concatenate(parts)
