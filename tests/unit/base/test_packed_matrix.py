"""A packed matrix gives the product that torch gives, packed or not."""

from __future__ import annotations

import pytest
import torch

from conceptrast.base import packed_matrix
from conceptrast.base.packed_matrix import PackedMatrix


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize(("rows", "n", "channels"), [(1, 1, 1), (19, 60, 33), (3, 129, 64)])
def test_it_is_the_product_with_the_transpose(monkeypatch, kind, packs: bool, rows: int, n: int, channels: int):
    if not packs:
        monkeypatch.setattr(packed_matrix, "_packing_is_there", lambda: False)
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(n, channels, generator=generator).to(kind)
    vectors = torch.randn(rows, channels, generator=generator).to(kind)
    product = PackedMatrix(matrix, rows).product(vectors)
    assert (product.dtype, product.shape) == (kind, (rows, n))
    expected = vectors.double() @ matrix.double().T
    tolerance = 1e-5 if kind == torch.float32 else 2e-2
    torch.testing.assert_close(product.double(), expected, rtol=tolerance, atol=tolerance * channels**0.5)


def test_a_transposed_matrix_and_another_number_of_rows_are_fine():
    matrix = torch.arange(6.0).reshape(2, 3)
    packed = PackedMatrix(matrix.T, rows=5)
    assert packed.product(torch.tensor([[1.0, 1.0]])).tolist() == [[3.0, 5.0, 7.0]]
    matrix.zero_()
    assert PackedMatrix(matrix, rows=1).product(torch.ones(2, 3)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_matrix_without_rows_gives_a_product_without_columns():
    assert PackedMatrix(torch.empty(0, 3), rows=1).product(torch.ones(2, 3)).shape == (2, 0)
