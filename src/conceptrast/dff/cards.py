"""What the figure of a factorization shows: pictures, heatmaps and scores, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.data.view_pixels import pixels
from conceptrast.dff.concept_maps import relative_heat
from conceptrast.dff.picture_groups import PictureGroup

MOST_PICTURES = 8
"""Number of pictures of a group that a figure shows."""


@dataclass(frozen=True)
class GroupView:
    """The first pictures of a group, with the places and the scores of their concepts.

    Attributes:
        title: what the pictures are.
        source: model and layer, in words.
        n_pictures: the number of pictures of the group.
        pictures: ``[H, W, 3]`` uint8 each, the first :data:`MOST_PICTURES`.
        predictions: for each of these pictures, the class that the model gives it, and its probability.
        heat: by number of concepts, the relative heat ``[n, k, H, W]`` float32 of these pictures.
        errors: by number of concepts, the part of the activations that the factorization misses.
        table: scores of the concepts, as in :class:`~conceptrast.dff.picture_groups.PictureGroup`.
        reason: why there are no concepts; empty where there are some.
    """

    title: str
    source: str
    n_pictures: int
    pictures: Sequence[np.ndarray]
    predictions: Sequence[tuple[str, float]]
    heat: Mapping[int, np.ndarray]
    errors: Mapping[int, float]
    table: pd.DataFrame
    reason: str = ""


def group_view(group: PictureGroup, views: Tensor, title: str, source: str) -> GroupView:
    """Choose what a figure shows of a group.

    Args:
        group: pictures and their concepts.
        views: ``[N, c, H, W]`` uint8, in the order of ``group.images``.
        title: what the pictures are.
        source: model and layer, in words.
    """
    size = (views.shape[2], views.shape[3])
    return GroupView(
        title=title,
        source=source,
        n_pictures=len(views),
        pictures=[pixels(view) for view in views[:MOST_PICTURES]],
        predictions=group.predictions[:MOST_PICTURES],
        heat={k: relative_heat(features, size)[:MOST_PICTURES].numpy() for k, features in group.features.items()},
        errors={k: features.reconstruction_error for k, features in group.features.items()},
        table=group.table,
        reason="" if group.features else str(group.table["reason"].iloc[0]),
    )
