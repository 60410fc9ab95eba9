"""A view, which is what a model sees of a picture, as an array that can be drawn."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def pixels(view: Tensor) -> np.ndarray:
    """A view ``[3, H, W]``, or in grey ``[1, H, W]``, as a picture ``[H, W, 3]``.

    Example:
        >>> import torch
        >>> pixels(torch.tensor([[[7, 9]]], dtype=torch.uint8)).tolist()
        [[[7, 7, 7], [9, 9, 9]]]
    """
    return np.ascontiguousarray(view.expand(3, -1, -1).permute(1, 2, 0).numpy())
