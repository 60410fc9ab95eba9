"""Semi-NMF: components that may be negative, for layers whose activations may be negative.

Notation as in :mod:`conceptrast.concepts.nmf`: ``V`` rows ``[n, C]``, ``H`` components ``[k, C]`` of any sign, ``W``
codes ``[n, k]``, not negative. ``P`` are the products ``V H^T`` ``[n, k]``, ``G`` the products ``H H^T`` ``[k, k]``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.streams import LibrarySeed, library_seed
from conceptrast.concepts.nmf import Factorization, as_signed_rows, check_components
from conceptrast.concepts.nmf_batched import hals_step

FLOOR = 0.2
"""What is added to the codes of the start, so that each position may take part in each component."""
GAIN = 1e-4
"""The passes end when one lowers the error by less than this share of it."""
STILL = 1e-5
"""Codes of fixed components are final when a pass changes none of them by more than this share of the largest."""


def semi_nmf(rows: np.ndarray | Tensor, n_components: int = 6, seed: int = 0, max_iter: int = 400) -> Factorization:
    r"""Factorize ``rows`` of any sign into components of any sign, with codes that are not negative.

    .. math:: \min_{W \ge 0,\; H} \lVert V - W H \rVert_F^2

    A code still says how much of a component a position holds; a component may lower a channel. The start is k-means:
    :math:`W` is 1 at a position's cluster and 0 elsewhere, plus 0.2. Then :math:`H` is the least-squares solution for
    fixed codes (:func:`best_components`), and the codes are updated component by component for fixed :math:`H`
    (:func:`~conceptrast.concepts.nmf_batched.hals_step`). Both are exact minima of what they update, so the error never
    rises.

    Args:
        rows: ``[n, C]``, any sign and unit; an array or a tensor.
        n_components: ``k``, at most ``min(n, C)``.
        seed: the seed of k-means.
        max_iter: the largest number of passes.

    Returns:
        Components ``[k, C]`` of any sign and codes ``[n, k]``, not negative; their product is in the unit of ``rows``.

    Raises:
        ShapeError: ``rows`` is not a matrix.
        NothingToFactorizeError: ``rows`` is empty, or all its values are zero.
        ConfigError: ``n_components`` is not between 1 and ``min(n, C)``.
        ConceptrastError: ``rows`` has values that are not finite.

    Source: Ding, Li and Jordan, *Convex and semi-nonnegative matrix factorizations*, IEEE TPAMI 32 (2010): the problem,
    the start (section 3.1) and the update of the components (equation 10; theirs are the columns of ``F``, our codes
    are ``G``). We differ in the update of the codes: theirs multiplies by the root of a ratio and never reaches 0; ours
    is the exact minimum for each component, and needs fewer passes to an error as low (tested).

    Example:
        >>> components, codes = semi_nmf(np.array([[2.0, -4.0], [1.0, 3.0], [1.0, -2.0]]), n_components=2)
        >>> (codes @ components).round(3).tolist(), bool((codes >= 0).all())
        ([[2.0, -4.0], [1.0, 3.0], [1.0, -2.0]], True)
    """
    # The start. Rows of size 1 on average, so that no number is lost in float32.
    matrix = as_signed_rows(rows)
    check_components(n_components, matrix.shape)
    scale = float(np.abs(matrix).mean(dtype=np.float64))
    values = torch.from_numpy(matrix / np.float32(scale))
    codes = cluster_codes(values.numpy(), n_components, seed)

    # Passes, until one gains nothing.
    components = best_components(values, codes)
    error = squared_error(values, codes, components)
    for _ in range(max_iter):
        codes = updated_codes(values, codes, components)
        components = best_components(values, codes)
        before = error
        error = squared_error(values, codes, components)
        if before - error <= GAIN * before:
            break
    return Factorization(components.numpy(), (codes * scale).numpy())


def cluster_codes(rows: np.ndarray, n_components: int, seed: int) -> Tensor:
    """Codes of the start ``[n, k]``: 1 in the cluster of the position, plus :data:`FLOOR`.

    Args:
        rows: ``[n, C]`` float32.
        n_components: the number of clusters.
        seed: the seed of k-means.
    """
    # This import takes a second, and most steps that load this module do not need it.
    from sklearn.cluster import KMeans

    start = library_seed(LibrarySeed.SEMI_NMF_START, seed)
    clusters = KMeans(n_components, n_init=1, random_state=start).fit_predict(rows)
    return torch.from_numpy(np.eye(n_components, dtype=np.float32)[clusters] + np.float32(FLOOR))


def best_components(rows: Tensor, codes: Tensor) -> Tensor:
    r"""The components that reproduce ``rows`` best from fixed codes.

    .. math:: H = (W^T W)^{+} \, W^T V

    Args:
        rows: ``V`` ``[n, C]``.
        codes: ``W`` ``[n, k]``.

    Returns:
        ``[k, C]``; a component whose codes are all zero is zero.

    Example:
        >>> best_components(torch.tensor([[2.0, -4.0], [0.0, 0.0]]), torch.tensor([[2.0], [0.0]]))
        tensor([[ 1., -2.]])
    """
    wide = codes.double()
    inverse = torch.linalg.pinv(wide.T @ wide, hermitian=True)
    return (inverse @ (codes.T @ rows).double()).float()


def updated_codes(rows: Tensor, codes: Tensor, components: Tensor) -> Tensor:
    """The codes after one pass of coordinate descent, one component after the other, for fixed components.

    Args:
        rows: ``V`` ``[n, C]``.
        codes: ``W`` ``[n, k]``; they are left as they were.
        components: ``H`` ``[k, C]``.

    Example:
        >>> updated_codes(torch.tensor([[2.0, -4.0], [-1.0, 2.0]]), torch.ones(2, 1), torch.tensor([[1.0, -2.0]]))
        tensor([[2.],
                [0.]])
    """
    products = (components @ rows.T)[None]
    gram = (components @ components.T)[None]
    return hals_step(codes.T[None], products, gram).factor[0].T


def signed_codes(rows: np.ndarray | Tensor, components: np.ndarray, max_iter: int = 200) -> np.ndarray:
    r"""The non-negative codes with which fixed components of any sign reproduce ``rows`` best.

    .. math:: \arg\min_{W \ge 0} \lVert V - W H \rVert_F^2

    Args:
        rows: ``V`` ``[n, C]``.
        components: ``H`` ``[k, C]``.
        max_iter: the largest number of passes; they end when one changes no code by more than 1e-5 of the largest.

    Returns:
        ``[n, k]`` float32; a component of zeros has codes of zero.

    Example:
        >>> signed_codes(np.array([[2.0, -4.0], [-1.0, 2.0]]), np.array([[1.0, -2.0]])).tolist()
        [[2.0], [0.0]]
    """
    values = torch.as_tensor(rows).float()
    directions = torch.as_tensor(components).float()
    products = (directions @ values.T)[None]
    gram = (directions @ directions.T)[None]
    codes = torch.zeros_like(products)
    for _ in range(max_iter):
        before = codes
        codes = hals_step(codes, products, gram).factor
        if float((codes - before).abs().amax()) <= STILL * float(codes.amax()):
            break
    return codes[0].T.contiguous().numpy()


def squared_error(rows: Tensor, codes: Tensor, components: Tensor) -> float:
    r"""What the factorization misses, :math:`\lVert V - W H \rVert_F^2`."""
    return float((rows - codes @ components).square().sum(dtype=torch.float64))
