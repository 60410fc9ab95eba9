"""The codes of rows when the components are given: how much of each component a position holds.

Notation as in :mod:`conceptrast.concepts.nmf`: ``V`` rows ``[n, C]``, ``H`` components ``[k, C]``, ``W`` codes
``[n, k]``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.concepts.nmf import NothingToFactorizeError, as_rows
from conceptrast.concepts.semi_nmf import signed_codes


def codes_of(rows: np.ndarray | Tensor, components: np.ndarray, max_iter: int = 200) -> np.ndarray:
    r"""The non-negative codes with which fixed components reproduce ``rows`` best.

    .. math:: \arg\min_{W \ge 0} \lVert V - W H \rVert_F^2

    Args:
        rows: ``[n, C]``, any unit; not negative if the components are not.
        components: ``[k, C]``; of any sign if they are of semi-NMF.
        max_iter: largest number of passes of coordinate descent.

    Returns:
        ``[n, k]`` float32; all codes of a row of zeros are zero, and so are all codes of a component of zeros.

    Raises:
        ShapeError: ``rows`` and ``components`` differ in their channels.
        LayerError: ``rows`` has negative values, and ``components`` has none.

    Source: the half of scikit-learn's alternating coordinate descent that updates ``W``; for components of
    semi-NMF :func:`~conceptrast.concepts.semi_nmf.signed_codes`, the same updates.

    Example:
        >>> import numpy as np
        >>> codes_of(np.array([[2.0, 6.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])).round(3).tolist()
        [[2.0, 2.0], [0.0, 0.0]]
    """
    # This import takes a second, and most steps that load this module do not need it.
    from sklearn.decomposition import non_negative_factorization

    if rows.shape[-1] != components.shape[-1]:
        raise ShapeError(f"rows have {rows.shape[-1]} channels, components {components.shape[-1]}")
    if (components < 0).any():
        return signed_codes(rows, components, max_iter)
    try:
        values = as_rows(rows)
    except NothingToFactorizeError:
        return np.zeros((len(rows), len(components)), np.float32)
    if not components.any():
        return np.zeros((len(rows), len(components)), np.float32)
    # The solver treats tiny values as zero, and attributions may be that small. So both get a mean near 1, as in nmf.
    scale = values.mean(dtype=np.float64)
    size = max(float(components.mean(dtype=np.float64)), 1e-30)
    codes, _, _ = non_negative_factorization(
        (values / scale).astype(np.float32),
        H=(components / size).astype(np.float32),
        n_components=len(components),
        update_H=False,
        max_iter=max_iter,
    )
    return (codes * (scale / size)).astype(np.float32)


def map_codes(activations: Tensor, components: np.ndarray) -> Tensor:
    """The codes of every position of activations, as maps.

    Args:
        activations: ``[N, C, h, w]``; not negative if the components are not.
        components: ``[k, C]``.

    Returns:
        ``[N, k, h, w]`` float32, on the CPU.

    Example:
        >>> import torch
        >>> map_codes(torch.tensor([2.0, 6.0]).view(1, 2, 1, 1), np.array([[1.0, 0.0], [0.0, 3.0]])).flatten().round()
        tensor([2., 2.])
    """
    count, channels, height, width = activations.shape
    rows = activations.permute(0, 2, 3, 1).reshape(-1, channels).contiguous()
    return torch.from_numpy(codes_of(rows, components)).view(count, height, width, -1).permute(0, 3, 1, 2)
