"""How sparse codes are: does a position hold one component, or a little of each?"""

from __future__ import annotations

import numpy as np


def hoyer(codes: np.ndarray) -> np.ndarray:
    r"""Hoyer's sparseness of each row.

    .. math:: \frac{\sqrt k - \lVert u \rVert_1 / \lVert u \rVert_2}{\sqrt k - 1}

    Args:
        codes: ``u`` ``[n, k]``, not negative, no row of zeros; ``k`` at least 2.

    Returns:
        ``[n]``: 1 for a row with a single number, 0 for a row of equal numbers.

    Source: Hoyer, Journal of Machine Learning Research 5 (2004).

    Example:
        >>> hoyer(np.array([[3.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
        [1.0, 0.0]
    """
    root = np.sqrt(codes.shape[1])
    return (root - codes.sum(axis=1) / np.linalg.norm(codes, axis=1)) / (root - 1)


def gini(codes: np.ndarray) -> np.ndarray:
    r"""Gini's index of each row, with its numbers in rising order.

    .. math:: 1 - 2 \sum_{j=1}^k \frac{u_{(j)}}{\lVert u \rVert_1} \cdot \frac{k - j + \tfrac12}{k}

    Args:
        codes: ``u`` ``[n, k]``, not negative, no row of zeros.

    Returns:
        ``[n]``: 0 for a row of equal numbers, ``1 - 1/k`` for a row with a single number.

    Source: Hurley and Rickard, IEEE Transactions on Information Theory 55 (2009).

    Example:
        >>> gini(np.array([[3.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
        [0.75, 0.0]
    """
    k = codes.shape[1]
    ordered = np.sort(codes, axis=1) / codes.sum(axis=1, keepdims=True)
    return 1 - 2 * ordered @ ((k - np.arange(1, k + 1) + 0.5) / k)


def mean_sparseness(codes: np.ndarray) -> tuple[float, float] | None:
    """Mean of :func:`hoyer` and of :func:`gini` over the rows that are not zero.

    Args:
        codes: ``[n, k]``.

    Returns:
        ``None`` if there is only one component, or if all rows are zero: then nothing can be sparse.

    Example:
        >>> mean_sparseness(np.array([[3.0, 0.0], [0.0, 0.0]])), mean_sparseness(np.zeros((1, 2)))
        ((1.0, 0.5), None)
    """
    used = codes[codes.any(axis=1)].astype(np.float64)
    if codes.shape[1] < 2 or not len(used):
        return None
    return float(hoyer(used).mean()), float(gini(used).mean())
