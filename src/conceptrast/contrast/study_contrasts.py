"""The contrasts of a study: which pairs of classes they are of, beside chance, and their patches."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from conceptrast.concepts.class_prototypes import set_prototypes
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.recovery import concepts_by_class
from conceptrast.contrast.components import set_names, set_owners
from conceptrast.contrast.features import Features
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION, Hyperplane
from conceptrast.contrast.pairs import Pair
from conceptrast.contrast.recovery import sharing_pairs
from conceptrast.contrast.study_hyperplanes import chance_planes
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel


def sharing_classes(
    pictures: Pictures, truth: pd.DataFrame, bank: Mapping[int, Features]
) -> dict[Pair, tuple[str, str]]:
    """Ordered pairs of classes with features that share a concept: the own and the shared concept of each.

    Args:
        pictures: the study's images and model.
        truth: image, concept.
        bank: features by class.
    """
    concepts = concepts_by_class(pictures.table, truth, pictures.model.class_names)
    return sharing_pairs(concepts, list(bank))


def with_a_plane(sharing: Mapping[Pair, tuple[str, str]], planes: Collection[Pair]) -> dict[Pair, tuple[str, str]]:
    """The sharing pairs that have a plane in one order or the other.

    Example:
        >>> with_a_plane({(0, 1): ("7", "3"), (1, 0): ("8", "3"), (0, 2): ("7", "3")}, [(1, 0)])
        {(0, 1): ('7', '3'), (1, 0): ('8', '3')}
    """
    return {pair: concepts for pair, concepts in sharing.items() if pair in planes or pair[::-1] in planes}


def beside_chance(
    planes: dict[Pair, Hyperplane], bank: Mapping[int, Features], seed: int
) -> dict[str, dict[Pair, Hyperplane]]:
    """The planes (``none``) and a random one for each of them, by baseline.

    Args:
        planes: by pair.
        bank: features of their classes.
        seed: of the random ones.
    """
    return {"none": planes, RANDOM_DIRECTION: chance_planes(planes, bank, seed)}


def images_of_pairs(pairs: Collection[Pair], images: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The images of the classes that are part of a pair.

    Example:
        >>> images_of_pairs([(2, 0)], {0: np.array([5]), 1: np.array([6]), 2: np.array([7])})
        {0: array([5]), 2: array([7])}
    """
    targets = {target for pair in pairs for target in pair}
    return {target: ids for target, ids in images.items() if target in targets}


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
        recipe: how to pool and to cut.
        predictions: image, predicted.
        rectify: whether negative activations become zero.
        precision: ``float32`` or ``bfloat16``.
    """
    predicted = predictions.set_index("image")["predicted"]
    batches = pictures.of(predicted.index.to_numpy(), "searching patches")
    prototypes = set_prototypes(
        activations_of(pictures.model, split, batches, precision),
        dict(zip(predicted.index.tolist(), predicted.tolist(), strict=True)),
        set_owners(sets),
        {recipe: sets["components"]},
        view=pictures.model.preprocess.size,
        rectify=rectify,
    )
    return set_names(sets, prototypes)
