"""Chance rows for maps of saliency: maps that look neither at the network nor at the picture."""

from __future__ import annotations

import numpy as np

from conceptrast.base.streams import Stream, generator
from conceptrast.saliency.grad_cam import enlarged

_WIDTH = 0.25  # sd of the blob as a share of the side


def random_maps(n: int, grid: tuple[int, int], size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Uniform noise on a layer's grid, enlarged like a class activation map: equally smooth, but without meaning.

    Args:
        n: the number of maps.
        grid: ``(h, w)`` of the layer.
        size: ``(H, W)`` of the pictures, in pixels.
        seed: the seed of the noise; map ``i`` is the same whatever ``n`` is.

    Returns:
        ``[n, H, W]`` float32 in [0, 1]; all zero for a grid of one position.

    Example:
        >>> random_maps(2, (3, 4), (9, 16), seed=0).shape
        (2, 9, 16)
    """
    noise = [generator(Stream.RANDOM_MAPS, seed, position).random(grid) for position in range(n)]
    return enlarged(np.array(noise).reshape(n, *grid), size)


def centre_maps(n: int, size: tuple[int, int]) -> np.ndarray:
    r"""A blob in the middle of the picture. Photographers put their subject there.

    .. math:: M_{y x} \propto \exp \Big( -\frac{1}{2} \Big( \frac{y - H/2}{H/4} \Big)^2
              -\frac{1}{2} \Big( \frac{x - W/2}{W/4} \Big)^2 \Big)

    Args:
        n: number of maps, all the same.
        size: ``(H, W)`` of the pictures, in pixels.

    Returns:
        ``[n, H, W]`` float32 in [0, 1]. The minimum, in the corners, is subtracted.

    Example:
        >>> centre_maps(1, (3, 3)).round(2)
        array([[[0.  , 0.29, 0.  ],
                [0.29, 1.  , 0.29],
                [0.  , 0.29, 0.  ]]], dtype=float32)
    """
    sides = [(np.arange(side) + 0.5) / side - 0.5 for side in size]
    y, x = (np.exp(-0.5 * (side / _WIDTH) ** 2) for side in sides)
    return enlarged(np.repeat(np.outer(y, x)[None], n, axis=0), size)
