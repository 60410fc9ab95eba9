"""From the images of some classes to their concepts. The workflow's step and the library's function share this code."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch

from conceptrast.ace.concepts import Concepts, concepts_of_class
from conceptrast.ace.options import AceOptions
from conceptrast.ace.segments import Labels, Segments, segments_of
from conceptrast.ace.tcav import class_gradients
from conceptrast.base.progress import counted, progress
from conceptrast.base.streams import Stream, generator
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import device_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

LOGGER = logging.getLogger("conceptrast")


@dataclass(frozen=True)
class AceRun:
    """The settings of a run that are not options of the method.

    Args:
        seed: the seed of all draws.
        precision: the precision of the prefix; gradients are float32.
        labels: the function that says what segments show; ``None`` if that is not known.
    """

    seed: int = 0
    precision: str = "float32"
    labels: Labels | None = None


@dataclass(frozen=True)
class ClassConcepts:
    """One class: its images ``[N]``, their segments, and its concepts for each shape of segments."""

    target: int
    images: np.ndarray
    segments: Segments
    concepts: Sequence[Concepts]


def concepts_of_classes(
    pictures: Pictures,
    split: SplitModel,
    predictions: pd.DataFrame,
    images_by_class: Mapping[int, np.ndarray],
    options: AceOptions,
    run: AceRun,
) -> Iterator[ClassConcepts]:
    """The concepts of some classes, one class after the other.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        predictions: image, predicted. Random segments are drawn from these images.
        images_by_class: ids ``[N]`` by class index.
        options: see :class:`~conceptrast.ace.options.AceOptions`.
        run: seed, precision, labels.
    """
    # The images of other classes are cut into segments only once.
    others_by_class = other_images(predictions, list(images_by_class), options.random_images, run.seed)
    other_ids = np.unique(np.concatenate([np.empty(0, np.int64), *others_by_class.values()]))
    cut = partial(
        segments_of,
        pictures,
        split,
        sizes=options.segments,
        shapes=options.segments_as,
        precision=run.precision,
    )
    LOGGER.info("superpixels of %s of other classes", counted(len(other_ids), "pictures"))
    random = cut(other_ids)

    # The segments, gradients and concepts of each class.
    for target, images in progress(images_by_class.items(), "finding concepts", len(images_by_class), "classes"):
        name = pictures.model.class_names[target]
        LOGGER.info("superpixels of %s of %s", counted(len(images), "pictures"), name)
        segments = cut(images, labels=run.labels)
        batches = activations_of(pictures.model, split.complete, pictures.of(images), run.precision)
        activations = torch.cat([batch for _, batch in batches]).to(device_of(pictures.model))
        gradients = class_gradients(split, activations, target, pictures.batch_size)
        others = random.of(others_by_class[target])
        LOGGER.info("clusters of superpixels of %s, and their tests", name)
        concepts = [
            concepts_of_class(
                target=target,
                shape=shape,
                segments=segments,
                others=others,
                gradients=gradients,
                options=options,
                seed=run.seed,
            )
            for shape in options.segments_as
        ]
        yield ClassConcepts(target=target, images=images, segments=segments, concepts=concepts)


def other_images(predictions: pd.DataFrame, targets: Sequence[int], most: int, seed: int) -> dict[int, np.ndarray]:
    """For each class, some images that are predicted as another class.

    All classes take their images from the same random order. So most images serve all classes and are cut only once.

    Args:
        predictions: image, predicted.
        targets: class indices.
        most: the number of images for each class.
        seed: the seed of the order.

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
