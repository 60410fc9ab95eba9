"""A matrix that many products share, in the order in memory that the processor multiplies fastest."""

from __future__ import annotations

import torch
from torch import Tensor


class PackedMatrix:
    r"""Multiplies rows by the transpose of one matrix.

    .. math:: Y = X M^T

    Before a processor multiplies two matrices, it copies them into small blocks. With few rows in ``X`` this copy costs
    as much as the product. Here ``M`` is copied once. On a GPU, or if torch comes without oneDNN, this is an ordinary
    product.

    Args:
        matrix: ``[n, C]`` float32 or bfloat16.
        rows: number of rows that ``X`` will have, roughly.

    Source: oneDNN's inner product with packed weights, which ``torch.compile`` uses for linear layers that are frozen.

    Example:
        >>> PackedMatrix(torch.tensor([[1.0, 2.0], [0.0, 3.0]]), rows=1).product(torch.tensor([[1.0, 1.0]]))
        tensor([[3., 3.]])
    """

    def __init__(self, matrix: Tensor, rows: int) -> None:
        self._packs = matrix.device.type == "cpu" and matrix.numel() > 0 and _packing_is_there()
        self._matrix = torch.ops.mkldnn._reorder_linear_weight(matrix.contiguous(), rows) if self._packs else matrix

    def product(self, vectors: Tensor) -> Tensor:
        """``X`` ``[m, C]`` in the type of the matrix gives ``[m, n]``, in the same type."""
        if self._packs:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(
                vectors, self._matrix, B=None, attr="none", scalars=[], algorithm=""
            )
            return product
        return vectors @ self._matrix.T


def _packing_is_there() -> bool:
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)
