"""Pictures factorized in groups, all together or one by one: concepts with their scores, and all of it as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.concepts.nmf import NothingToFactorizeError
from conceptrast.dff.concept_maps import factorize_in_order
from conceptrast.dff.concept_scores import concept_scores
from conceptrast.dff.factorization import DeepFeatures
from conceptrast.models.activations import activations_of
from conceptrast.models.inference import for_inference, network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.saliency.blur import BLUR, BlurTest


@dataclass(frozen=True)
class FactorizationOptions:
    """How pictures are factorized.

    Args:
        n_components: numbers of concepts.
        shared: whether the pictures share their concepts, or each has its own.
        seed: the seed of the random starts and the random places.
        precision: ``float32`` or ``bfloat16``.
    """

    n_components: Sequence[int]
    shared: bool = True
    seed: int = 0
    precision: str = "float32"


@dataclass(frozen=True)
class PictureGroup:
    """Pictures that were factorized together, and their concepts.

    Attributes:
        images: ``[N]`` ids.
        predictions: for each picture, the class that the model gives it, and its probability.
        features: by number of concepts.
        table: as :func:`~conceptrast.dff.concept_scores.concept_scores` gives it, for every number of concepts.
            If there is nothing to factorize, each number of concepts has one row with only n_components, status and
            reason.
    """

    images: np.ndarray
    predictions: Sequence[tuple[str, float]]
    features: Mapping[int, DeepFeatures]
    table: pd.DataFrame


def factorize_pictures(
    model: Model,
    split: SplitModel,
    images: np.ndarray,
    views: Tensor,
    options: FactorizationOptions,
    batch_size: int = 32,
) -> Iterator[PictureGroup]:
    """Factorize what a layer holds of pictures, all of them together or each by itself, and score the concepts.

    Args:
        model: the classifier.
        split: the model, cut at the layer.
        images: ``[N]`` ids.
        views: ``[N, c, H, W]`` uint8.
        options: how to factorize.
        batch_size: pictures in a batch.

    Returns:
        One item for all pictures, or one for each.

    Raises:
        LayerError: the layer's activations have no positions.
        ConfigError: a number of concepts that is not possible.
        ModelError: a logit is not finite.

    Source: Collins, Achanta and Süsstrunk 2018 (arXiv 1806.10206), who factorize the pictures of a set together.
    :mod:`conceptrast.dff.factorization` says where we deviate.

    Example:
        >>> from torch import nn
        >>> from conceptrast.models.model import Preprocess
        >>> network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> model = Model("colours", network, Preprocess(None, 4, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])
        >>> views = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
        >>> views[:, 0, :, :2], views[:, 2, :, 2:] = 255, 128
        >>> split, options = SplitModel(model, "0"), FactorizationOptions(n_components=[2])
        >>> for group in factorize_pictures(model, split, np.array([7, 9]), views, options):
        ...     print(group.images, group.features[2].heatmaps.shape, group.predictions[0][0], len(group.table))
        [7 9] (2, 2, 4, 4) red 4
    """
    # Activations of all pictures.
    batches = zip(np.split(images, range(batch_size, len(images), batch_size)), views.split(batch_size), strict=True)
    activations = torch.cat([batch for _, batch in activations_of(model, split, batches, options.precision)])
    network = for_inference(model, options.precision)
    numbers = np.arange(len(images))
    groups = [numbers] if options.shared else np.split(numbers, len(numbers))
    for group in progress(groups, "factorizing pictures", len(groups), "factorizations"):
        # What the model says of the group's pictures.
        test = BlurTest.of(
            network,
            network_input(model, views[group]),
            share=BLUR,
            precision=options.precision,
            batch_size=batch_size,
        )
        predictions = [
            (model.class_names[target], float(test.probabilities[place, target]))
            for place, target in enumerate(test.probabilities.argmax(axis=1))
        ]
        # Their concepts, and the scores of these.
        try:
            features = factorize_in_order(activations[group], options.n_components, options.seed)
        except NothingToFactorizeError as error:
            yield PictureGroup(
                images=images[group],
                predictions=predictions,
                features={},
                table=_skipped(options.n_components, str(error)),
            )
            continue
        scored = progress(features.values(), "asking for the classes of concepts", len(features), "factorizations")
        tables = [concept_scores(split, test, concepts, seed=options.seed) for concepts in scored]
        yield PictureGroup(
            images=images[group],
            predictions=predictions,
            features=features,
            table=pd.concat(tables, ignore_index=True),
        )


def _skipped(n_components: Sequence[int], reason: str) -> pd.DataFrame:
    return pd.DataFrame([{"n_components": k, "status": "skipped", "reason": reason} for k in sorted(set(n_components))])


def arrays_of(groups: Sequence[PictureGroup]) -> dict[str, np.ndarray]:
    """Concepts and heatmaps of pictures by name. Pictures with nothing to factorize are left out.

    Returns:
        images ``[N]``; group ``[N]``, the factorization that each image belongs to; offset ``[F, C]``; for every number
        of concepts concepts_k<k> ``[F, k, C]``, heatmaps_k<k> ``[N, k, h, w]`` and reconstruction_error_k<k> ``[F]``.

    Example:
        >>> features = DeepFeatures(np.ones((1, 3)), np.ones((1, 1, 2, 2)), np.zeros(3), 0.25)
        >>> arrays = arrays_of([PictureGroup(np.array([7]), [("cat", 0.9)], {1: features}, pd.DataFrame())])
        >>> {name: values.shape for name, values in arrays.items() if name.endswith("k1")}
        {'concepts_k1': (1, 1, 3), 'heatmaps_k1': (1, 1, 2, 2), 'reconstruction_error_k1': (1,)}
    """
    factorized = [group for group in groups if group.features]
    images = [group.images for group in factorized]
    arrays = {
        "images": np.concatenate(images or [np.empty(0, np.int64)]),
        "group": np.repeat(np.arange(len(factorized)), [len(ids) for ids in images]),
    }
    for k in factorized[0].features if factorized else ():
        features = [group.features[k] for group in factorized]
        arrays["offset"] = np.stack([concepts.offset for concepts in features])
        arrays[f"concepts_k{k}"] = np.stack([concepts.concepts for concepts in features])
        arrays[f"heatmaps_k{k}"] = np.concatenate([concepts.heatmaps for concepts in features])
        arrays[f"reconstruction_error_k{k}"] = np.array([concepts.reconstruction_error for concepts in features])
    return arrays
