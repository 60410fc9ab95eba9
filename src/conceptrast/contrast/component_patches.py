"""The patches of contrastive components: among all images, the patches that are most like each component."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from conceptrast.concepts.class_prototypes import Sought, set_prototypes
from conceptrast.concepts.recipes import Recipe
from conceptrast.contrast.components import set_names, set_owners
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel


def patches_of_sets(
    pictures: Pictures,
    split: SplitModel,
    sets: Mapping[str, np.ndarray],
    recipe: Recipe,
    *,
    predictions: pd.DataFrame,
    rectify: bool,
    precision: str,
) -> pd.DataFrame:
    """The patches of all images that are most like the components of each set.

    Args:
        pictures: the study's images and model.
        split: the model, cut at the layer.
        sets: as :func:`~conceptrast.contrast.components.contrast_sets` gives.
        recipe: how to pool activations and cut patches.
        predictions: image, predicted.
        rectify: whether negative activations are set to zero.
        precision: ``float32`` or ``bfloat16``.
    """
    predicted = predictions.set_index("image")["predicted"]
    batches = pictures.of(predicted.index.to_numpy(), "searching patches")
    prototypes = set_prototypes(
        activations_of(pictures.model, split, batches, precision),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        set_owners(sets),
        {recipe: Sought(sets["components"])},
        view=pictures.model.preprocess.size,
        rectify=rectify,
    )
    return set_names(sets, prototypes)
