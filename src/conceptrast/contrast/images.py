"""Images and activations of the classes that are contrasted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from torch import Tensor

from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.attributed_images import by_class
from conceptrast.contrast.pairs import Pair
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel


def images_by_class(attribution: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
    """Ids of the attributed images of each class.

    Args:
        attribution: image ``[M]`` and target ``[M]``.

    Example:
        >>> images_by_class({"image": np.array([4, 9, 5]), "target": np.array([0, 2, 0])})
        {0: array([4, 5]), 2: array([9])}
    """
    targets = attribution["target"]
    return {int(target): attribution["image"][targets == target] for target in np.unique(targets)}


def drawn_images(images: np.ndarray, target: int, most: int, seed: int) -> np.ndarray:
    """At most ``most`` images of a class, sorted. Each class has its own draw.

    Args:
        images: ids ``[N]``.
        target: the class.
        most: the largest number of images.
        seed: the seed of the draw.

    Example:
        >>> drawn_images(np.array([7, 8]), target=3, most=5, seed=0)
        array([7, 8])
    """
    if len(images) <= most:
        return images
    return np.sort(generator(Stream.CONTRASTED_IMAGES, seed, target).choice(images, most, replace=False))


def images_of_pairs(pairs: Collection[Pair], images: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The images of all classes that are part of a pair.

    Example:
        >>> images_of_pairs([(2, 0)], {0: np.array([5]), 1: np.array([6]), 2: np.array([7])})
        {0: array([5]), 2: array([7])}
    """
    targets = {target for pair in pairs for target in pair}
    return {target: ids for target, ids in images.items() if target in targets}


def class_activations(
    pictures: Pictures, split: SplitModel, images: Mapping[int, np.ndarray], precision: str, what: str
) -> Iterator[tuple[int, Tensor]]:
    """Activations ``[N, C, h, w]`` of the images of every class. Only one class is in memory at a time.

    Args:
        pictures: the images, and the model that sees them.
        split: the model, cut at a layer.
        images: ids ``[N]`` by class; a class without images is left out.
        precision: ``float32`` or ``bfloat16``.
        what: what is being done, for the progress display.
    """
    all_ids = np.concatenate([np.empty(0, np.int64), *images.values()])
    targets = np.repeat(np.array(list(images), np.int64), [len(ids) for ids in images.values()])
    batches = activations_of(pictures.model, split, pictures.of(all_ids, what), precision)
    return ((target, activations) for target, activations, _ in by_class(batches, targets))
