"""Concepts of pictures by Deep Feature Factorization, together or one by one, with their scores and as arrays."""

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
from conceptrast.models.inference import network_input
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.saliency.blur import BLUR, BlurTest


@dataclass(frozen=True)
class Factorized:
    """Pictures that were factorized together.

    Attributes:
        images: ``[N]`` ids.
        said: of each picture the class that the model gives it, and its probability.
        features: by number of concepts.
        table: as :func:`~conceptrast.dff.concept_scores.concept_scores` gives it, for every number of concepts.
            Where there is nothing to factorize, one row each with no more than n_components, status and reason.
    """

    images: np.ndarray
    said: Sequence[tuple[str, float]]
    features: Mapping[int, DeepFeatures]
    table: pd.DataFrame


def factorize_pictures(
    model: Model,
    split: SplitModel,
    images: np.ndarray,
    views: Tensor,
    n_components: Sequence[int],
    shared: bool = True,
    seed: int = 0,
    precision: str = "float32",
    batch_size: int = 32,
) -> Iterator[Factorized]:
    """Factorize what a layer holds of pictures, all of them together or each by itself, and score the concepts.

    Args:
        model: the classifier.
        split: the model, cut at the layer.
        images: ``[N]`` ids.
        views: ``[N, c, H, W]`` uint8.
        n_components: numbers of concepts.
        shared: whether the pictures share their concepts.
        seed: of the random starts and the random places.
        precision: ``float32`` or ``bfloat16``.
        batch_size: pictures in a batch.

    Returns:
        One item for all pictures, or one for each.

    Raises:
        LayerError: the layer's activations have no positions.
        ConfigError: a number of concepts that is not possible.
        ModelError: a logit is not finite.

    Source: Collins, Achanta and Süsstrunk 2018 (arXiv 1806.10206), who factorize the pictures of a set together; where
    we deviate, see :mod:`conceptrast.dff.factorization`.

    Example:
        >>> from torch import nn
        >>> from conceptrast.models.model import Preprocess
        >>> network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> model = Model("colours", network, Preprocess(None, 4, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])
        >>> views = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
        >>> views[:, 0, :, :2], views[:, 2, :, 2:] = 255, 128
        >>> for group in factorize_pictures(model, SplitModel(model, "0"), np.array([7, 9]), views, [2]):
        ...     print(group.images, group.features[2].heatmaps.shape, group.said[0][0], len(group.table))
        [7 9] (2, 2, 4, 4) red 4
    """
    batches = zip(np.split(images, range(batch_size, len(images), batch_size)), views.split(batch_size), strict=True)
    activations = torch.cat([found for _, found in activations_of(model, split, batches, precision)])
    numbers = np.arange(len(images))
    groups = [numbers] if shared else np.split(numbers, len(numbers))
    for together in progress(groups, "factorizing pictures", len(groups), "factorizations"):
        test = BlurTest.of(model, network_input(model, views[together]), BLUR, precision, batch_size)
        best = test.probabilities.argmax(axis=1)
        said = [(model.class_names[each], float(test.probabilities[at, each])) for at, each in enumerate(best)]
        try:
            features = factorize_in_order(activations[together], n_components, seed)
        except NothingToFactorizeError as error:
            rows = [{"n_components": k, "status": "skipped", "reason": str(error)} for k in sorted(set(n_components))]
            yield Factorized(images[together], said, {}, pd.DataFrame(rows))
            continue
        scored = progress(features.values(), "asking for the classes of concepts", len(features), "factorizations")
        tables = [concept_scores(split, test, found, seed=seed) for found in scored]
        yield Factorized(images[together], said, features, pd.concat(tables, ignore_index=True))


def arrays_of(groups: Sequence[Factorized]) -> dict[str, np.ndarray]:
    """Concepts and heatmaps of pictures by name, without those in which there is nothing to factorize.

    Returns:
        images ``[N]``; group ``[N]``, the factorization that each image belongs to; offset ``[F, C]``; for every number
        of concepts concepts_k<k> ``[F, k, C]``, heatmaps_k<k> ``[N, k, h, w]`` and reconstruction_error_k<k> ``[F]``.

    Example:
        >>> features = DeepFeatures(np.ones((1, 3)), np.ones((1, 1, 2, 2)), np.zeros(3), 0.25)
        >>> arrays = arrays_of([Factorized(np.array([7]), [("cat", 0.9)], {1: features}, pd.DataFrame())])
        >>> {name: values.shape for name, values in arrays.items() if name.endswith("k1")}
        {'concepts_k1': (1, 1, 3), 'heatmaps_k1': (1, 1, 2, 2), 'reconstruction_error_k1': (1,)}
    """
    found = [group for group in groups if group.features]
    images = [group.images for group in found]
    arrays = {
        "images": np.concatenate(images or [np.empty(0, np.int64)]),
        "group": np.repeat(np.arange(len(found)), [len(each) for each in images]),
    }
    for k in found[0].features if found else ():
        features = [group.features[k] for group in found]
        arrays["offset"] = np.stack([each.offset for each in features])
        arrays[f"concepts_k{k}"] = np.stack([each.concepts for each in features])
        arrays[f"heatmaps_k{k}"] = np.concatenate([each.heatmaps for each in features])
        arrays[f"reconstruction_error_k{k}"] = np.array([each.reconstruction_error for each in features])
    return arrays
