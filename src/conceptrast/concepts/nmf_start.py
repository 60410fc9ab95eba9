r"""Where the factorization of many matrices starts: a sketch of each matrix, and scikit-learn's start ``nndsvda``.

Notation: ``V`` are the rows of ``B`` matrices ``[B, n, C]``. ``Q`` holds ``r`` orthonormal directions among their
positions ``[B, r, n]``; ``S = Q V`` is their sketch ``[B, r, C]``, so that :math:`V \approx Q^T S`. ``W`` are the codes
``[B, k, n]`` (a row for each component), ``H`` the components ``[B, k, C]``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.streams import Stream, generator

POWER = 2
"""How often the random directions are multiplied by the matrix and its transpose."""
TINY = 1e-6
"""Numbers below this are zero at the start, as in scikit-learn. The mean of the rows is 1."""


class Sketch(NamedTuple):
    """Matrices in the space of their largest singular vectors: ``V ≈ Q^T S``."""

    directions: Tensor
    """``Q`` ``[B, r, n]``."""
    coefficients: Tensor
    """``S`` ``[B, r, C]``."""

    def with_codes(self, codes: Tensor) -> Tensor:
        """``W Q^T S`` ``[B, k, C]``."""
        return (codes @ self.directions.mT) @ self.coefficients

    def with_components(self, components: Tensor) -> Tensor:
        """``H S^T Q`` ``[B, k, n]``."""
        return (components @ self.coefficients.mT) @ self.directions

    def of(self, kept: Tensor) -> Sketch:
        """Those of some matrices."""
        return Sketch(self.directions[kept], self.coefficients[kept])


def sketch(matrices: Tensor, size: int, seed: int) -> Sketch:
    r"""The sketch of matrices: their parts in the directions of their largest singular values.

    .. math:: Q = \mathrm{orth}\big((V V^T)^p V \Omega\big)^T, \qquad S = Q V

    Args:
        matrices: ``V`` ``[B, n, C]`` float32.
        size: ``r``, at most ``min(n, C)``.
        seed: the seed of the random directions ``Ω`` ``[C, r]``, which all matrices share.

    Source: Halko, Martinsson and Tropp 2011 (arXiv 0909.4061), algorithm 4.4 with :data:`POWER` iterations.

    Example:
        >>> matrix = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]])
        >>> directions, coefficients = sketch(matrix, 2, seed=0)
        >>> torch.allclose(directions.mT @ coefficients, matrix, atol=1e-5)
        True
    """
    # Directions, turned towards those of the largest singular values.
    random = generator(Stream.SKETCH, seed).standard_normal((matrices.shape[2], size), np.float32)
    columns = matrices @ torch.from_numpy(random).to(matrices.device)
    for _ in range(POWER):
        channels = torch.linalg.qr(matrices.mT @ torch.linalg.qr(columns)[0])[0]
        columns = matrices @ channels
    directions = torch.linalg.qr(columns)[0].mT.contiguous()

    # Rows that are zero have no part in any direction; rounding could give them one.
    directions = directions * (matrices.amax(dim=2) > 0)[:, None]
    return Sketch(directions, directions @ matrices)


def nndsvda(sketched: Sketch, n_components: int) -> tuple[Tensor, Tensor]:
    r"""Codes and components made of the non-negative parts of the leading singular vectors.

    .. math:: V \approx \sum_j \sigma_j u_j v_j^T, \qquad
        W_j = \sqrt{\sigma_j m_j}\, \frac{u_j^\pm}{\lVert u_j^\pm \rVert}, \quad
        H_j = \sqrt{\sigma_j m_j}\, \frac{v_j^\pm}{\lVert v_j^\pm \rVert}, \quad
        m_j = \lVert u_j^\pm \rVert \lVert v_j^\pm \rVert

    Of the positive and the negative parts :math:`u^\pm, v^\pm` those with the larger :math:`m_j` count. Numbers below
    :data:`TINY` become 1, which is the mean of the rows.

    Args:
        sketched: of rows whose mean is 1.
        n_components: ``k``.

    Returns:
        Codes ``[B, k, n]`` and components ``[B, k, C]``, both above zero everywhere.

    Source: Boutsidis and Gallopoulos 2008; the start ``nndsvda`` of scikit-learn.

    Example:
        >>> matrix = torch.tensor([[[4.0, 0.0], [0.0, 2.0]]])
        >>> codes, components = nndsvda(sketch(matrix, 2, seed=0), n_components=1)
        >>> codes.round().tolist(), components.round().tolist()
        ([[[2.0, 1.0]]], [[[2.0, 1.0]]])
    """
    # Singular values and vectors, from the small matrix S S^T.
    small = sketched.coefficients.double()
    squares, turned = torch.linalg.eigh(small @ small.mT)
    k = min(n_components, squares.shape[1])
    values = squares.flip(1)[:, :k].clamp(min=0).sqrt()
    turned = turned.flip(2)[:, :, :k].mT
    values = torch.where(values > TINY * values[:, :1], values, 0)
    left = turned @ sketched.directions.double()
    right = turned @ small / values.clamp(min=torch.finfo(torch.float64).tiny)[:, :, None]
    right = torch.where(values[:, :, None] > 0, right, 0)

    # Of each pair of vectors the part that weighs more. The first pair has one sign only, up to rounding.
    positive = left.clamp(min=0).norm(dim=2) * right.clamp(min=0).norm(dim=2)
    negative = left.clamp(max=0).norm(dim=2) * right.clamp(max=0).norm(dim=2)
    sign = torch.where(positive > negative, 1.0, -1.0)[:, :, None]
    mass = (values * torch.maximum(positive, negative)).sqrt()[:, :, None]
    factors = []
    for vectors in (left, right):
        part = (vectors * sign).clamp(min=0)
        part = torch.cat([vectors[:, :1].abs(), part[:, 1:]], dim=1)
        weight = torch.cat([values[:, :1, None].sqrt(), mass[:, 1:]], dim=1)
        factor = (weight * part / part.norm(dim=2, keepdim=True).clamp(min=TINY)).float()
        factor = torch.cat([factor, factor.new_zeros(len(factor), n_components - k, factor.shape[2])], dim=1)
        factors.append(torch.where(factor < TINY, 1.0, factor))
    codes, components = factors
    return codes, components
