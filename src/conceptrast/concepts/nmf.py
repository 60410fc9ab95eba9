"""Non-negative matrix factorization: the components of a class.

Notation: ``V`` are the rows ``[n, C]``; each row is one position of one image. ``H`` are the components ``[k, C]``;
each row is one direction in the space of the channels. ``W`` are the codes ``[n, k]``; they say how much of each
component a position holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from conceptrast.base.errors import ConceptrastError, ConfigError, LayerError, ShapeError, unknown_name
from conceptrast.base.streams import LibrarySeed, library_seed

INITS = ("nndsvda", "random")


class Factorization(NamedTuple):
    """What :func:`nmf` gives. It unpacks as ``components, codes``."""

    components: np.ndarray
    """``[k, C]`` float32; not negative, except those of :func:`~conceptrast.concepts.semi_nmf.semi_nmf`."""
    codes: np.ndarray
    """``[n, k]`` float32, not negative, so that ``codes @ components`` is close to the rows."""


class NothingToFactorizeError(ConceptrastError):
    """The matrix has no rows, or nothing but zeros."""


def nmf(
    rows: np.ndarray | Tensor,
    n_components: int = 6,
    seed: int = 0,
    max_iter: int = 400,
    tolerance: float = 1e-4,
    init: str = "nndsvda",
) -> Factorization:
    r"""Factorize ``rows`` into ``n_components`` non-negative components.

    .. math:: \min_{W \ge 0, H \ge 0} \lVert V - W H \rVert_F^2

    Args:
        rows: ``[n, C]``, not negative, any unit; an array or a tensor.
        n_components: ``k``, at most ``min(n, C)``.
        seed: the seed of the iteration's start.
        max_iter: the largest number of passes of coordinate descent. There is no warning when this number is reached:
            every run reports :func:`reconstruction_error`, which says how good the factorization is.
        tolerance: the iteration ends when a pass changes less than this share of what the first pass changed.
        init: the start of the iteration. ``nndsvda`` is a randomized singular value decomposition; ``random`` draws
            numbers of the size of the rows.

    Returns:
        Components ``[k, C]`` and codes ``[n, k]``; their product is in the unit of ``rows``.

    Raises:
        ShapeError: ``rows`` is not a matrix.
        LayerError: ``rows`` has negative values.
        NothingToFactorizeError: ``rows`` is empty, or all its values are zero.
        ConfigError: ``n_components`` is not between 1 and ``min(n, C)``, or there is no such ``init``.
        ConceptrastError: ``rows`` has values that are not finite.

    Source: Lee and Seung, Nature 401 (1999); solved by scikit-learn's coordinate descent from its ``nndsvda`` start.
    The rows are divided by their mean first, because that start treats everything below 1e-6 as zero and attributions
    may be that small. A random start treats nothing as zero and equals scikit-learn's to the last bit.

    Example:
        >>> import numpy as np
        >>> components, codes = nmf(np.array([[2.0, 0.0], [0.0, 3.0], [4.0, 0.0]]), n_components=2)
        >>> (codes @ components).round(3).tolist()
        [[2.0, 0.0], [0.0, 3.0], [4.0, 0.0]]
    """
    # This import takes a second, and most steps that load this module do not need it.
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    if init not in INITS:
        raise ConfigError(unknown_name("init", init, INITS))
    values = as_rows(rows)
    check_components(n_components, values.shape)
    scale = values.mean(dtype=np.float64) if init == "nndsvda" else 1.0
    solver = NMF(
        n_components,
        solver="cd",
        init=init,
        random_state=library_seed(LibrarySeed.NMF_START, seed),
        max_iter=max_iter,
        tol=tolerance,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes = solver.fit_transform((values / scale).astype(np.float32))
    return Factorization(solver.components_.astype(np.float32), (codes * scale).astype(np.float32))


def check_components(n_components: int, shape: Sequence[int]) -> None:
    """Refuse a number of components that rows cannot have.

    Args:
        n_components: the number of components.
        shape: number of rows and of channels.

    Raises:
        ConfigError: it is not between 1 and the smaller of both.
    """
    n, channels = shape
    if not 1 <= n_components <= min(n, channels):
        raise ConfigError(
            f"cannot find {n_components} components in {n} rows of {channels} channels: "
            f"components must be between 1 and {min(n, channels)}"
        )


def as_rows(rows: np.ndarray | Tensor) -> np.ndarray:
    """Rows as a float32 matrix that can be factorized.

    Args:
        rows: ``[N, C]``, not negative, any unit.

    Raises:
        ShapeError: ``rows`` is not a matrix.
        ConceptrastError: a value is not finite.
        LayerError: a value is negative.
        NothingToFactorizeError: there are no rows, or all of them are zero.

    Example:
        >>> as_rows(np.array([[1, 2]])).tolist()
        [[1.0, 2.0]]
    """
    values = _matrix(rows)
    refuse_negative(float((values < 0).mean()) if values.size else 0.0, "values in the rows")
    _refuse_nothing(values)
    return values


def as_signed_rows(rows: np.ndarray | Tensor) -> np.ndarray:
    """Rows as a float32 matrix that semi-NMF can factorize: negative values are welcome.

    Args:
        rows: ``[N, C]``, any sign and unit.

    Raises:
        ShapeError: ``rows`` is not a matrix.
        ConceptrastError: a value is not finite.
        NothingToFactorizeError: there are no rows, or all of them are zero.

    Example:
        >>> as_signed_rows(np.array([[1, -2]])).tolist()
        [[1.0, -2.0]]
    """
    values = _matrix(rows)
    _refuse_nothing(values)
    return values


def _matrix(rows: np.ndarray | Tensor) -> np.ndarray:
    values = rows.detach().float().cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows, dtype=np.float32)
    if values.ndim != 2:
        raise ShapeError(f"rows must be a matrix [positions, channels], got shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise ConceptrastError("rows hold values that are not finite: look for overflow in the model or its precision")
    return values


def _refuse_nothing(values: np.ndarray) -> None:
    if not values.any():
        raise NothingToFactorizeError(
            "there are no rows to factorize" if not values.size else "every row is zero: there is nothing to factorize"
        )


def refuse_negative(share: float, what: str) -> None:
    """Refuse negative values.

    Args:
        share: the share of the values that are negative.
        what: what the values are, in words.

    Raises:
        LayerError: the share is above 0; the message says what to do.
    """
    if share > 0:
        raise LayerError(
            f"{share:.1%} of the {what} are negative, and NMF needs activations that are not: "
            "choose a layer after an activation such as ReLU, or count them as zero "
            "(rectify: true in a study, --rectify on the command line)"
        )


def reconstruction_error(rows: np.ndarray | Tensor, components: np.ndarray, codes: np.ndarray) -> float:
    r"""Part of ``rows`` that the factorization misses.

    .. math:: \lVert V - W H \rVert_F / \lVert V \rVert_F

    Args:
        rows: ``[n, C]``.
        components: ``[k, C]``.
        codes: ``[n, k]``.

    Returns:
        0 where the fit is exact; near 1 where the components explain nothing.

    Example:
        >>> import numpy as np
        >>> reconstruction_error(np.array([[3.0, 4.0]]), np.array([[3.0, 0.0]]), np.array([[1.0]]))
        0.8
    """
    values = as_signed_rows(rows)
    return round(float(np.linalg.norm(values - codes @ components) / np.linalg.norm(values)), 7)
