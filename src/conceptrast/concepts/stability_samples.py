"""Samples of a class's images that are factorized once more: both halves, and draws of other images and noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.attribution.images import attribute_images
from conceptrast.base.streams import Stream, drawn_seeds, generator
from conceptrast.concepts.attributed_images import by_class, weighing
from conceptrast.concepts.class_factorization import class_weights, weighted_rows
from conceptrast.concepts.nmf_batched import BATCH_BYTES
from conceptrast.concepts.nmf_solvers import factorizations, in_batches
from conceptrast.concepts.recipes import Factors
from conceptrast.models.activations import activations_of
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

HALVES = "halves"
DRAWS = "draws"

TOLERANCE = 3e-4
"""Where factorizations of samples end; those of classes end at 1e-4. It takes two thirds of the time, and changes the
cosines of the default run's trained studies by 0.005 on average."""


@dataclass(frozen=True)
class Sample:
    """Images of a class that are factorized once more.

    Attributes:
        kind: :data:`HALVES` or :data:`DRAWS`.
        number: which half, or which draw.
        images: ids ``[n]``.
        attribution: rectified ``[n, h, w]`` and multiplier ``[n, C]`` of these images.
    """

    kind: str
    number: int
    images: np.ndarray
    attribution: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ClassSamples:
    """The samples of a class, and the number of images that its components come from."""

    target: int
    n_images: int
    samples: Sequence[Sample]

    @property
    def images(self) -> np.ndarray:
        """Ids of all images of all samples, each once, sorted."""
        return np.unique(np.concatenate([sample.images for sample in self.samples]))


def halves(attribution: Mapping[str, np.ndarray], target: int, seed: int) -> list[Sample]:
    """Both halves of a class's images, with their attribution.

    Args:
        attribution: image, target, rectified and multiplier of attributed images; other classes are ignored.
        target: class index.
        seed: the seed of the choice.

    Returns:
        Two samples of ``n // 2`` images; of an odd number, one image is in neither half. None if there is one image.

    Example:
        >>> attribution = {"image": np.array([5, 8]), "target": np.zeros(2), "rectified": np.ones((2, 1, 1)),
        ...     "multiplier": np.ones((2, 3))}
        >>> sorted(sample.images.tolist() for sample in halves(attribution, target=0, seed=0))
        [[5], [8]]
    """
    rows = np.flatnonzero(attribution["target"] == target)
    shuffled = generator(Stream.HALVES, seed, target).permutation(rows)
    size = len(rows) // 2
    places = [np.sort(shuffled[:size]), np.sort(shuffled[size : 2 * size])]
    return [
        Sample(
            kind=HALVES,
            number=number,
            images=attribution["image"][rows_of_half],
            attribution=weighing(attribution, rows_of_half),
        )
        for number, rows_of_half in enumerate(places)
        if size
    ]


@dataclass(frozen=True)
class Redraws:
    """How images are drawn once more and attributed.

    Args:
        attribution: method, samples, noise and baseline, as
            :func:`~conceptrast.attribution.images.attribute_images` takes them. Each image has one noisy copy at most:
            the attribution of a class averages over its images.
        draws: number of draws.
        seed: seed of the choice of images and of the noise.
        precision: precision of the network.
        batch_size: copies in a batch.
    """

    attribution: Mapping[str, Any]
    draws: int = 5
    seed: int = 0
    precision: str = "float32"
    batch_size: int = 64


def redrawn(
    pictures: Pictures, layer: str, predicted: Mapping[int, np.ndarray], sizes: Mapping[int, int], redraws: Redraws
) -> dict[int, list[Sample]]:
    """Draw images of classes once more, from all that are predicted as the class, and attribute them with other noise.

    Args:
        pictures: images and model.
        layer: the layer where the model is cut.
        predicted: ids of all images that are predicted as each class.
        sizes: the number of images of a draw, by class; a class of size 0 has no draws.
        redraws: how many draws, and how images are attributed.

    Returns:
        The draws of each class.
    """
    samples: dict[int, list[Sample]] = {target: [] for target in sizes}
    options = {**redraws.attribution, "samples": min(redraws.attribution["samples"], 1)}
    drawn = {
        target: redrawn_images(
            predicted[target], size, redraws.draws, generator(Stream.REDRAWN_IMAGES, redraws.seed, target)
        )
        for target, size in sizes.items()
        if size
    }
    for draw in range(redraws.draws):
        images = {target: draws[draw] for target, draws in drawn.items()}
        targets = {int(image): target for target, ids in images.items() for image in ids}
        if not targets:
            continue
        arrays = attribute_images(
            pictures.model,
            layer,
            pictures.of(np.concatenate(list(images.values())), f"attributing draw {draw + 1} of {redraws.draws}"),
            targets,
            precision=redraws.precision,
            seed=int(drawn_seeds(Stream.REDRAWN_NOISE, redraws.seed, draw)[0]),
            batch_size=redraws.batch_size,
            **options,
        )
        for target in images:
            rows = arrays["target"] == target
            attribution = weighing(arrays, rows)
            sample = Sample(kind=DRAWS, number=draw, images=arrays["image"][rows], attribution=attribution)
            samples[target].append(sample)
    return samples


def redrawn_images(images: np.ndarray, size: int, draws: int, chance: np.random.Generator) -> list[np.ndarray]:
    """Ids of every draw ``[size]``, sorted; fewer if the class has no more images.

    Example:
        >>> redrawn_images(np.array([3, 4]), size=2, draws=2, chance=np.random.default_rng(0))
        [array([3, 4]), array([3, 4])]
    """
    return [np.sort(chance.choice(images, min(size, len(images)), replace=False)) for _ in range(draws)]


def class_samples(
    pictures: Pictures,
    layer: str,
    attribution: Mapping[str, np.ndarray],
    predictions: pd.DataFrame,
    targets: Sequence[int],
    redraws: Redraws,
) -> list[ClassSamples]:
    """All samples of some classes. A draw has as many images as a half; a class with one image has no samples.

    Args:
        pictures: images and model.
        layer: the layer where the model is cut.
        attribution: image, target, rectified and multiplier of the images that the components come from.
        predictions: image, predicted.
        targets: the classes.
        redraws: how many draws, and how images are attributed.
    """
    n_images = {target: int((attribution["target"] == target).sum()) for target in targets}
    images, predicted = (predictions[name].to_numpy() for name in ("image", "predicted"))
    of_classes = {target: np.sort(images[predicted == target]) for target in targets}
    sizes = {target: n // 2 for target, n in n_images.items()}
    draws = redrawn(pictures, layer, predicted=of_classes, sizes=sizes, redraws=redraws)
    return [
        ClassSamples(
            target=target,
            n_images=n_images[target],
            samples=[*halves(attribution, target, redraws.seed), *draws[target]],
        )
        for target in targets
    ]


@dataclass(frozen=True)
class Fitting:
    """How samples are factorized: as the components of the class were."""

    factors: Sequence[Factors]
    seed: int = 0
    rectify: bool = False
    solver: str = "batched"


SampleKey = tuple[int, str, int, Factors]
"""Class, kind and number of a sample, and the factorization."""


def sample_components(
    pictures: Pictures, split: SplitModel, classes: Sequence[ClassSamples], fitting: Fitting, precision: str = "float32"
) -> dict[SampleKey, np.ndarray]:
    """Components of every sample of some classes.

    Args:
        pictures: images and model.
        split: the model, cut at the layer.
        classes: the samples of each class.
        fitting: how they are factorized.
        precision: precision of the activations.

    Returns:
        ``[k, C]`` by class, sample and factorization. Samples that have nothing to factorize, or fewer positions than
        components, are left out.
    """
    usable = [samples for samples in classes if samples.samples]
    if not usable:
        return {}
    images = np.concatenate([samples.images for samples in usable])
    targets = np.concatenate([np.full(len(samples.images), samples.target) for samples in usable])
    batches = activations_of(pictures.model, split, pictures.of(images, "factorizing samples"), precision)
    by_target = {samples.target: samples for samples in usable}
    activations = ((by_target[target], values) for target, values, _ in by_class(batches, targets))

    components: dict[SampleKey, np.ndarray] = {}
    rows = (item for samples, values in activations for item in _sample_rows(samples, values, fitting))
    for batch in in_batches(rows, size=lambda item: item.rows.nbytes, most=BATCH_BYTES):
        for n_components in sorted({item.key[3].components for item in batch}):
            some = [item for item in batch if item.key[3].components == n_components]
            results = factorizations(
                [item.rows for item in some],
                n_components,
                seed=fitting.seed,
                solver=fitting.solver,
                tolerance=TOLERANCE,
            )
            components |= {item.key: result.components for item, result in zip(some, results, strict=True)}
    return components


class _SampleRows(NamedTuple):
    key: SampleKey
    rows: np.ndarray


def _sample_rows(samples: ClassSamples, activations: Tensor, fitting: Fitting) -> Iterator[_SampleRows]:
    """The rows of every sample of a class that can be factorized."""
    for sample in samples.samples:
        values = activations[np.searchsorted(samples.images, sample.images)]
        weighted = {
            weighting: weighted_rows(values, class_weights(sample.attribution, weighting), fitting.rectify)[0]
            for weighting in sorted({factors.weighting for factors in fitting.factors})
        }
        for factors in fitting.factors:
            rows = weighted[factors.weighting]
            if rows.any() and min(rows.shape) >= factors.components:
                yield _SampleRows((samples.target, sample.kind, sample.number, factors), rows)
