r"""Concepts of pictures by Deep Feature Factorization, and which classes each of them speaks for, asked in three ways.

Notation as in :mod:`conceptrast.saliency.concept_maps`: ``v_j`` ``[C]`` is what the layer holds where concept j is
strongest and alone, ``m_j`` ``[N, H, W]`` its region in the pictures, ``f`` the suffix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.activations import activations_of
from conceptrast.errors import ModelError
from conceptrast.factorization.dff import DeepFeatures
from conceptrast.factorization.nmf import NothingToFactorizeError
from conceptrast.inference import autocast, network_input
from conceptrast.models.last_layer import last_linear
from conceptrast.models.model import Model
from conceptrast.models.split import SplitModel
from conceptrast.saliency.blur import BLUR, BlurTest, elsewhere, finite
from conceptrast.saliency.concept_maps import REGION, concept_vectors, factorize_in_order, regions, relative_heat

PLACES = 2
"""Least number of random places that the chance value of a concept is the mean of, over all its images."""

RANKS = 2
"""Classes that are listed for each concept and way."""

WAYS = ("head", "suffix", "blur")

COLUMNS = (
    *("n_components", "reconstruction_error", "concept", "rank", "share", "n_images", "area"),
    *("head_class", "head_score", "suffix_class", "suffix_score", "blur_class", "blur_score", "blur_chance"),
    *("agree", "head_reason", "status", "reason"),
)


@dataclass(frozen=True)
class Factorized:
    """Pictures that were factorized together.

    Attributes:
        images: ``[N]`` ids.
        said: of each picture the class that the model gives it, and its probability.
        features: by number of concepts.
        table: as :func:`concept_scores` gives it, for every number of concepts. Where there is nothing to factorize,
            one row each with no more than n_components, status and reason.
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
    """
    batches = zip(np.split(images, range(batch_size, len(images), batch_size)), views.split(batch_size), strict=True)
    activations = torch.cat([found for _, found in activations_of(model, split, batches, precision)])
    numbers = np.arange(len(images))
    for together in [numbers] if shared else np.split(numbers, len(numbers)):
        test = BlurTest.of(model, network_input(model, views[together]), BLUR, precision, batch_size)
        best = test.probabilities.argmax(axis=1)
        said = [(model.class_names[each], float(test.probabilities[at, each])) for at, each in enumerate(best)]
        try:
            features = factorize_in_order(activations[together], n_components, seed)
        except NothingToFactorizeError as error:
            rows = [{"n_components": k, "status": "skipped", "reason": str(error)} for k in sorted(set(n_components))]
            yield Factorized(images[together], said, {}, pd.DataFrame(rows))
            continue
        tables = [concept_scores(split, test, found, seed=seed) for found in features.values()]
        yield Factorized(images[together], said, features, pd.concat(tables, ignore_index=True))


def arrays_of(groups: Sequence[Factorized]) -> dict[str, np.ndarray]:
    """Concepts and heatmaps of pictures by name, without those in which there is nothing to factorize.

    Returns:
        images ``[N]``; group ``[N]``, the factorization that each image belongs to; offset ``[F, C]``; for every number
        of concepts concepts_k<k> ``[F, k, C]``, heatmaps_k<k> ``[N, k, h, w]`` and reconstruction_error_k<k> ``[F]``.
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


def concept_scores(
    split: SplitModel,
    test: BlurTest,
    features: DeepFeatures,
    heat: np.ndarray | None = None,
    region: float = REGION,
    chance_places: int = PLACES,
    seed: int = 0,
) -> pd.DataFrame:
    r"""The two classes that each concept speaks for most, asked in three ways.

    .. math::
        \text{head:}\quad \mathrm{softmax}(L v_j + l), \qquad
        \text{suffix:}\quad \mathrm{softmax} \, f(v_j \text{ at every position}), \qquad
        \text{blur:}\quad \underset{n}{\mathrm{mean}} \,
            p(x_n) - p\big(m_{nj} \odot G x_n + (1 - m_{nj}) \odot x_n\big)

    Args:
        split: the model, cut at the layer of ``features``.
        test: the pictures of ``features``, and their blurred copies.
        features: the concepts.
        heat: ``[k]``, at which the vectors are taken; see :func:`~conceptrast.saliency.concept_maps.concept_vectors`.
        region: least relative heat inside a concept's region, 0 to 1.
        chance_places: least number of random places for the chance value; every image of a concept has as many.
        seed: of the random places.

    Returns:
        One row a concept and rank (1, 2): n_components, reconstruction_error, concept (from 1), rank, share (of all
        that the concepts add), n_images (in which the concept has a region; the blur's mean is over them), area (mean
        share of their pixels), class and score of each way, blur_chance (drop of the same class when as large a region
        at a random place is blurred), agree (whether all ways that could be asked name the same class at this rank),
        head_reason (why the head could not be asked), status, reason. A score of the blur is a drop of probability, −1
        to 1, the others are probabilities.

    Raises:
        ModelError: a logit is not finite.

    Source: Collins et al. 2018 for the concepts; the grad-cam package for the head; suffix and blur are ours. The
    package takes ``v_j`` where the heatmap is 1, whatever its scale happens to be; we take it where it is highest.

    Example:
        >>> from conceptrast.models.model import Preprocess
        >>> network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> model = Model("colours", network, Preprocess(None, 8, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])
        >>> image = torch.zeros(1, 3, 8, 8)
        >>> image[0, 0, :, :4], image[0, 2, :, 4:] = 9.0, 5.0
        >>> split, found = SplitModel(model, "0"), factorize_in_order(image, [2])[2]
        >>> table = concept_scores(split, BlurTest.of(model, image), found)
        >>> table.query("rank == 1")[["concept", "suffix_class", "blur_class"]].to_numpy().tolist()
        [[1, 'red', 'red'], [2, 'blue', 'blue']]
    """
    k, channels = features.concepts.shape
    head, head_reason = head_of(test.model.module, channels)
    vectors = torch.from_numpy(concept_vectors(features, heat)).to(test.images.device)
    scores: dict[str, np.ndarray] = {"suffix": _suffix_scores(split, test, vectors, features.heatmaps.shape[2:])}
    if head is not None:
        scores["head"] = _head_scores(test, head, vectors)
    height, width = test.images.shape[2:]
    blurred = _blur_scores(test, regions(relative_heat(features, (height, width)), region), chance_places, seed)
    rows: list[dict[str, Any]] = []
    for number in range(k):
        own = {way: values[number] for way, values in scores.items()}
        facts = {"n_components": k, "reconstruction_error": features.reconstruction_error, "concept": number + 1}
        facts |= {"share": features.shares[number], "head_reason": head_reason}
        rows += _rows(facts, own, blurred[number], test.model.class_names, features.highest[number] > 0)
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Blurred:
    """Of one concept the mean drop ``[K]`` over its images, that of random places, and how large its region is."""

    drop: np.ndarray = field(default_factory=lambda: np.empty(0))
    chance: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_images: int = 0
    area: float = 0.0


def _blur_scores(test: BlurTest, masks: Tensor, chance_places: int, seed: int) -> list[_Blurred]:
    """Of every concept; ``masks`` ``[N, k, H, W]`` bool."""
    found = []
    for number in range(masks.shape[1]):
        places = masks[:, number].flatten(1).any(dim=1).nonzero()[:, 0]
        if not len(places):
            found.append(_Blurred())
            continue
        own = masks[places, number]
        drop = test.drops(places.numpy(), own).mean(axis=0)
        draws = -(-chance_places // len(places))
        moved = [
            elsewhere(region, [seed, int(place), number, draw])
            for draw in range(draws)
            for place, region in zip(places, own, strict=True)
        ]
        chance = test.drops(np.tile(places.numpy(), draws), torch.stack(moved)).mean(axis=0)
        found.append(_Blurred(drop, chance, len(places), float(own.float().mean())))
    return found


def _rows(
    facts: Mapping[str, Any], scores: Mapping[str, np.ndarray], blurred: _Blurred, names: Sequence[str], present: bool
) -> Iterator[dict[str, Any]]:
    """The rows of one concept, one a rank."""
    status = {"status": "ok", "reason": ""}
    if not blurred.n_images:
        why = "it is nowhere the strongest concept" if present else "the factorization left it empty"
        status = {"status": "skipped", "reason": f"no region to blur: {why}"}
    asked = dict(scores) | ({"blur": blurred.drop} if blurred.n_images else {})
    order = {way: np.argsort(-values, kind="stable")[:RANKS] for way, values in asked.items()}
    for rank in range(min(RANKS, len(names))):
        row = {**facts, **status, "rank": rank + 1, "n_images": blurred.n_images, "area": blurred.area}
        for way, classes in order.items():
            row |= {f"{way}_class": names[classes[rank]], f"{way}_score": float(asked[way][classes[rank]])}
        if blurred.n_images:
            row["blur_chance"] = float(blurred.chance[order["blur"][rank]])
            row["agree"] = len({int(classes[rank]) for classes in order.values()}) == 1
        yield row


@torch.inference_mode()
def _suffix_scores(split: SplitModel, test: BlurTest, vectors: Tensor, positions: tuple[int, ...]) -> np.ndarray:
    spread = vectors[:, :, None, None].expand(-1, -1, *positions).contiguous()
    with autocast(test.precision, vectors.device):
        logits = torch.cat([split.suffix(batch) for batch in spread.split(test.batch_size)])
    return finite(test.model, logits.double()).softmax(dim=1).cpu().numpy()


@torch.inference_mode()
def _head_scores(test: BlurTest, head: nn.Linear, vectors: Tensor) -> np.ndarray:
    return finite(test.model, head(vectors).double()).softmax(dim=1).cpu().numpy()


def head_of(module: nn.Module, channels: int) -> tuple[nn.Linear | None, str]:
    """The network's last linear layer if vectors of so many channels fit into it, or the reason why it cannot be used.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
        >>> head_of(network, 3)
        (None, 'the last linear layer takes 8 numbers, the layer has 3 channels')
        >>> head_of(network, 8)
        (Linear(in_features=8, out_features=2, bias=True), '')
    """
    try:
        _, head = last_linear(module)
    except ModelError:
        return None, "the network does not end in a linear layer with a bias"
    if head.in_features != channels:
        return None, f"the last linear layer takes {head.in_features} numbers, the layer has {channels} channels"
    return head, ""
