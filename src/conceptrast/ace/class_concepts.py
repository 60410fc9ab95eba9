"""From the images of some classes to their concepts: what the workflow's step and the library's function share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from conceptrast.ace.concepts import Concepts, concepts_of_class
from conceptrast.ace.segments import Labels, Segments, segments_of
from conceptrast.ace.settings import AceSettings
from conceptrast.ace.tcav import class_gradients
from conceptrast.base.progress import counted, progress
from conceptrast.base.streams import Stream, generator
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import device_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")


@dataclass(frozen=True)
class AceOptions:
    """What a run decides beside the settings of the method.

    Args:
        seed: of all draws.
        precision: of the prefix; gradients are float32.
        labels: says what segments show, where that is known.
    """

    seed: int = 0
    precision: str = "float32"
    labels: Labels | None = None


@dataclass(frozen=True)
class ClassConcepts:
    """One class: its images ``[N]``, their segments, and its concepts, once for each shape of segments."""

    target: int
    images: np.ndarray
    segments: Segments
    concepts: Sequence[Concepts]


def concepts_of_classes(
    pictures: Pictures,
    split: SplitModel,
    predictions: pd.DataFrame,
    chosen: Mapping[int, np.ndarray],
    settings: AceSettings,
    options: AceOptions,
) -> Iterator[ClassConcepts]:
    """The concepts of some classes, one class after the other.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        predictions: image, predicted: from which random segments are drawn.
        chosen: images ``[N]`` by class index.
        settings: see :class:`~conceptrast.ace.settings.AceSettings`.
        options: seed, precision, labels.
    """
    # Segments of the images that stand for all other classes are cut once.
    drawn = other_images(predictions, list(chosen), settings.random_images, options.seed)
    whole = np.unique(np.concatenate([np.empty(0, np.int64), *drawn.values()]))
    cut = partial(
        segments_of,
        pictures,
        split,
        sizes=settings.segments,
        shapes=settings.segments_as,
        precision=options.precision,
    )
    LOGGER.info("superpixels of %s of other classes", counted(len(whole), "pictures"))
    random = cut(whole)

    # Segments, gradients and concepts of each class.
    for target, images in progress(chosen.items(), "finding concepts", len(chosen), "classes"):
        name = pictures.model.class_names[target]
        LOGGER.info("superpixels of %s of %s", counted(len(images), "pictures"), name)
        segments = cut(images, labels=options.labels)
        batches = activations_of(pictures.model, split, pictures.of(images), options.precision)
        activations = torch.cat([batch for _, batch in batches]).to(device_of(pictures.model))
        gradients = class_gradients(split, activations, target, pictures.batch_size)
        others = random.of(drawn[target])
        LOGGER.info("clusters of superpixels of %s, and their tests", name)
        concepts = [
            concepts_of_class(
                target=target,
                shape=shape,
                segments=segments,
                others=others,
                gradients=gradients,
                settings=settings,
                seed=options.seed,
            )
            for shape in settings.segments_as
        ]
        yield ClassConcepts(target=target, images=images, segments=segments, concepts=concepts)


def other_images(predictions: pd.DataFrame, targets: Sequence[int], most: int, seed: int) -> dict[int, np.ndarray]:
    """For each class some images that are predicted as another one.

    All classes take them from one random order, so that most images serve all of them and are cut once.

    Args:
        predictions: image, predicted.
        targets: class indices.
        most: images of each class.
        seed: of the order.

    Returns:
        Ids by class index, sorted.

    Example:
        >>> predictions = pd.DataFrame({"image": [5, 6, 7], "predicted": [0, 1, 0]})
        >>> other_images(predictions, [0, 1], 2, seed=0)
        {0: array([6]), 1: array([5, 7])}
    """
    order = generator(Stream.OTHER_IMAGES, seed).permutation(len(predictions))
    images, predicted = (predictions[key].to_numpy(np.int64)[order] for key in ("image", "predicted"))
    return {target: np.sort(images[predicted != target][:most]) for target in targets}
