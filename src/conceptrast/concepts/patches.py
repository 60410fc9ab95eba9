"""Patches: positions of a layer's activations, and the windows of the view that belong to them.

Notation: the view has ``H x W`` pixels, the activations ``h x w`` positions, and after average pooling with a square
kernel the grid has ``h' x w'`` positions. A box is ``(top, left, height, width)`` in pixels of the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d

from conceptrast.base.errors import ShapeError

Window = Literal["cell"] | float
BOX = ("top", "left", "height", "width")


def pool(activations: Tensor, kernel: int, stride: int) -> Tensor:
    """Average ``activations`` ``[N, C, h, w]`` over windows. Rows and columns that do not fill a window are dropped.

    Raises:
        ShapeError: the kernel is larger than the activations.

    Example:
        >>> import torch
        >>> pool(torch.arange(9.0).reshape(1, 1, 3, 3), kernel=2, stride=2)
        tensor([[[[2.]]]])
    """
    if kernel > min(activations.shape[-2:]):
        height, width = activations.shape[-2:]
        raise ShapeError(f"a pooling kernel of {kernel} does not fit activations of {height}x{width} positions")
    return activations if kernel == stride == 1 else avg_pool2d(activations, kernel, stride)


def pooled_side(side: int, kernel: int, stride: int) -> int:
    """Number of positions on a side after pooling ``side`` positions.

    Example:
        >>> pooled_side(7, kernel=2, stride=2)
        3
    """
    return (side - kernel) // stride + 1


@dataclass(frozen=True)
class PatchGeometry:
    r"""The window of each grid position in the view.

    There are two kinds of window. ``"cell"`` (published) cuts the view into cells of
    :math:`\lfloor H / h' \rfloor \times \lfloor W / w' \rfloor` pixels. Position ``(r, c)`` owns the cell in row ``r``
    and column ``c``, even if pooling has dropped the last row and column of the activations. A fraction ``f`` (ours)
    gives a window of :math:`f H \times f W` pixels around the centre of the pooled positions,

    .. math:: y = (r \cdot stride + kernel / 2) \, H / h

    and shifts the window where it would leave the view.

    Args:
        view: ``(H, W)`` in pixels.
        activations: ``(h, w)`` of the layer, before pooling.
        kernel: the kernel of the pooling.
        stride: the stride of the pooling.
        window: ``"cell"`` or a fraction of the view's sides, above 0 and at most 1.

    Source: the cells are those of the published code. There, pooling 7x7 positions with kernel 2 and stride 2 gives 3x3
    cells of 74 pixels in a view of 224. The window is ours; with it a patch shows what its position has seen.

    Example:
        >>> import numpy as np
        >>> cells = PatchGeometry((224, 224), (7, 7), kernel=2, stride=2, window="cell")
        >>> cells.boxes(np.array([2]), np.array([1])).tolist()
        [[148, 74, 74, 74]]
        >>> windows = PatchGeometry((224, 224), (7, 7), kernel=3, stride=1, window=0.5)
        >>> windows.boxes(np.array([0, 2]), np.array([1, 4])).tolist()
        [[0, 24, 112, 112], [56, 112, 112, 112]]
    """

    view: tuple[int, int]
    activations: tuple[int, int]
    kernel: int
    stride: int
    window: Window

    def boxes(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Boxes of some positions of the grid.

        Args:
            rows: ``[n]``.
            columns: ``[n]``.

        Returns:
            ``[n, 4]``: top, left, height, width in pixels; each box lies inside the view.
        """
        tops, height = self._starts(np.asarray(rows), axis=0)
        lefts, width = self._starts(np.asarray(columns), axis=1)
        sides = np.full((2, len(tops)), [[height], [width]], dtype=np.int64)
        return np.stack([tops, lefts, *sides], axis=1)

    def _starts(self, positions: np.ndarray, axis: int) -> tuple[np.ndarray, int]:
        n_pixels = self.view[axis]
        n_positions = self.activations[axis]
        if not len(positions):
            return positions.astype(np.int64), 0
        if self.window == "cell":
            cell = n_pixels // pooled_side(n_positions, self.kernel, self.stride)
            return positions * cell, cell
        length = max(1, round(float(self.window) * n_pixels))
        centres = (positions * self.stride + self.kernel / 2) * n_pixels / n_positions
        starts = np.floor(centres - length / 2 + 0.5).astype(np.int64)
        return np.clip(starts, 0, n_pixels - length), length


def crop(view: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The window ``box`` of a view ``[3, H, W]``.

    Example:
        >>> import torch
        >>> crop(torch.arange(9).reshape(1, 3, 3), (1, 0, 2, 2))
        tensor([[[3, 4],
                 [6, 7]]])
    """
    top, left, height, width = (int(value) for value in box)
    return view[:, top : top + height, left : left + width]
