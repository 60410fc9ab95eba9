"""Boxes that are known to hold something lie right only in views that are the pictures themselves."""

from __future__ import annotations

import pandas as pd

from conceptrast.concepts.recovery import refuse_other_size
from conceptrast.data.dataset import Dataset
from conceptrast.models.model import Preprocess


def refuse_resized(dataset: Dataset, index: pd.DataFrame, preprocess: Preprocess) -> tuple[int, int]:
    """Refuse a dataset whose pictures a model sees resized.

    Args:
        dataset: whose boxes are known.
        index: of its pictures; the first one is opened.
        preprocess: of the model.

    Returns:
        ``(H, W)`` of the pictures and of the views.

    Raises:
        DataError: the two sizes differ.
    """
    width, height = dataset.picture(index.iloc[0]).size
    refuse_other_size((height, width), preprocess.size)
    return height, width
