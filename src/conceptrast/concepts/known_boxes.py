"""Known boxes fit only if the model sees the pictures in their own size; this module checks that."""

from __future__ import annotations

import pandas as pd

from conceptrast.concepts.recovery import refuse_other_size
from conceptrast.data.dataset import Dataset
from conceptrast.models.model import Preprocess


def refuse_resized(dataset: Dataset, index: pd.DataFrame, preprocess: Preprocess) -> tuple[int, int]:
    """Refuse a dataset if the model sees its pictures in another size.

    Args:
        dataset: the dataset whose boxes are known.
        index: the index of its pictures; the first one is opened.
        preprocess: the preprocessing of the model.

    Returns:
        ``(H, W)`` of the pictures and of the views.

    Raises:
        DataError: the two sizes differ.
    """
    width, height = dataset.picture(index.iloc[0]).size
    refuse_other_size((height, width), preprocess.size)
    return height, width
