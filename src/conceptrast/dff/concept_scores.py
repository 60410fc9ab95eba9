r"""The classes that a concept of pictures speaks for, found in three ways.

Notation as in :mod:`conceptrast.dff.concept_maps`: ``v_j`` ``[C]`` is the layer's vector where concept j is strongest
and alone, ``m_j`` ``[N, H, W]`` its region in the pictures, ``f`` the suffix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from conceptrast.base.errors import ModelError
from conceptrast.dff.concept_maps import concept_vectors, regions, relative_heat
from conceptrast.dff.factorization import DeepFeatures
from conceptrast.models.inference import autocast
from conceptrast.models.last_layer import last_linear
from conceptrast.models.split import SplitModel
from conceptrast.saliency.blur import BlurTest, elsewhere, finite

PLACES = 2
"""The chance value of a concept is the mean over at least this number of random places, in all its images."""

RANKS = 2
"""Number of classes that are listed for each concept and way."""

COLUMNS = (
    *("n_components", "reconstruction_error", "concept", "rank", "share", "n_images", "area"),
    *("head_class", "head_score", "suffix_class", "suffix_score", "blur_class", "blur_score", "blur_chance"),
    *("agree", "head_reason", "status", "reason"),
)


def concept_scores(
    split: SplitModel,
    test: BlurTest,
    features: DeepFeatures,
    heat: np.ndarray | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""The two classes that each concept speaks for most, found in three ways.

    .. math::
        \text{head:}\quad \mathrm{softmax}(L v_j + l), \qquad
        \text{suffix:}\quad \mathrm{softmax} \, f(v_j \text{ at every position}), \qquad
        \text{blur:}\quad \underset{n}{\mathrm{mean}} \,
            p(x_n) - p\big(m_{nj} \odot G x_n + (1 - m_{nj}) \odot x_n\big)

    Args:
        split: the model, cut at the layer of ``features``.
        test: the pictures of ``features``, and their blurred copies.
        features: the concepts.
        heat: ``[k]``, the heat at which the vectors are taken; see
            :func:`~conceptrast.dff.concept_maps.concept_vectors`.
        seed: the seed of the random places. There are at least :data:`PLACES` of them, equally many in every image of a
            concept.

    Returns:
        One row for each concept and rank (1, 2): n_components, reconstruction_error, concept (from 1), rank, share (of
        all that the concepts add), n_images (in which the concept has a region; the blur's mean is over them), area
        (mean share of their pixels), class and score of each way, blur_chance (drop of the same class when as large a
        region at a random place is blurred), agree (whether all ways that could be asked name the same class at this
        rank), head_reason (why the head could not be asked), status, reason (why there is no blur, or no suffix). The
        score of the blur is a drop of probability, −1 to 1; the others are probabilities.

    Raises:
        ModelError: a logit is not finite.

    Source: Collins et al. 2018 for the concepts; the grad-cam package for the head; suffix and blur are ours. The
    package takes ``v_j`` where the heatmap is 1, whatever its scale is. We take it where the heatmap is highest.

    Example:
        >>> from conceptrast.models.model import Model, Preprocess
        >>> from conceptrast.dff.concept_maps import factorize_in_order
        >>> network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> model = Model("colours", network, Preprocess(None, 8, (0.0,) * 3, (0.1,) * 3), ["red", "green", "blue"])
        >>> image = torch.zeros(1, 3, 8, 8)
        >>> image[0, 0, :, :4], image[0, 2, :, 4:] = 9.0, 5.0
        >>> split, features = SplitModel(model, "0"), factorize_in_order(image, [2])[2]
        >>> table = concept_scores(split, BlurTest.of(model, image), features)
        >>> table.query("rank == 1")[["concept", "suffix_class", "blur_class"]].to_numpy().tolist()
        [[1, 'red', 'red'], [2, 'blue', 'blue']]
    """
    # Head and suffix, on the vector of each concept.
    k, channels = features.concepts.shape
    head, head_reason = head_of(split.network, channels)
    vectors = torch.from_numpy(concept_vectors(features, heat)).to(test.images.device)
    scores: dict[str, np.ndarray] = {}
    if not split.layout.class_tokens:
        scores["suffix"] = _suffix_scores(split, test, vectors, features.heatmaps.shape[2:])
    if head is not None:
        scores["head"] = _head_scores(test, head, vectors)
    # The blur, on its region.
    height, width = test.images.shape[2:]
    blur_scores = _blur_scores(test, regions(relative_heat(features, (height, width))), seed)
    # Rows of all concepts.
    rows: list[dict[str, Any]] = []
    for number in range(k):
        scores_of_concept = {way: values[number] for way, values in scores.items()}
        facts = {"n_components": k, "reconstruction_error": features.reconstruction_error, "concept": number + 1}
        facts |= {"share": features.shares[number], "head_reason": head_reason}
        rows += _rows(
            facts,
            scores_of_concept,
            blur=blur_scores[number],
            names=test.model.class_names,
            suffix_reason=_suffix_reason(split),
            present=features.highest[number] > 0,
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _BlurScore:
    """For one concept, the mean drop ``[K]`` over its images and over random places, and the size of its region."""

    drop: np.ndarray = field(default_factory=lambda: np.empty(0))
    chance: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_images: int = 0
    area: float = 0.0


def _blur_scores(test: BlurTest, masks: Tensor, seed: int) -> list[_BlurScore]:
    """The blur scores of every concept; ``masks`` are ``[N, k, H, W]`` bool."""
    blur_scores = []
    for number in range(masks.shape[1]):
        # The concept's own region.
        places = masks[:, number].flatten(1).any(dim=1).nonzero()[:, 0]
        if not len(places):
            blur_scores.append(_BlurScore())
            continue
        concept_regions = masks[places, number]
        drop = test.drops(places.numpy(), concept_regions).mean(axis=0)
        # A region of the same size elsewhere.
        draws = -(-PLACES // len(places))
        moved = [
            elsewhere(region, [seed, int(place), number, draw])
            for draw in range(draws)
            for place, region in zip(places, concept_regions, strict=True)
        ]
        chance = test.drops(np.tile(places.numpy(), draws), torch.stack(moved)).mean(axis=0)
        area = float(concept_regions.float().mean())
        blur_scores.append(_BlurScore(drop=drop, chance=chance, n_images=len(places), area=area))
    return blur_scores


def _rows(
    facts: Mapping[str, Any],
    scores: Mapping[str, np.ndarray],
    blur: _BlurScore,
    names: Sequence[str],
    suffix_reason: str,
    present: bool,
) -> Iterator[dict[str, Any]]:
    """The rows of one concept, one for each rank."""
    status = {"status": "ok", "reason": suffix_reason}
    if not blur.n_images:
        why = "it is nowhere the strongest concept" if present else "the factorization left it empty"
        status = {"status": "skipped", "reason": f"no region to blur: {why}"}
    by_way = dict(scores) | ({"blur": blur.drop} if blur.n_images else {})
    order = {way: np.argsort(-values, kind="stable")[:RANKS] for way, values in by_way.items()}
    for rank in range(min(RANKS, len(names))):
        row = {**facts, **status, "rank": rank + 1, "n_images": blur.n_images, "area": blur.area}
        for way, classes in order.items():
            row |= {f"{way}_class": names[classes[rank]], f"{way}_score": float(by_way[way][classes[rank]])}
        if blur.n_images:
            row["blur_chance"] = float(blur.chance[order["blur"][rank]])
            row["agree"] = len({int(classes[rank]) for classes in order.values()}) == 1
        yield row


def _suffix_reason(split: SplitModel) -> str:
    """Why the suffix cannot be asked; empty if it can."""
    return "the suffix cannot be asked: it needs a class token beside the map" if split.layout.class_tokens else ""


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
    """The network's last linear layer if it takes vectors of ``channels`` numbers, or the reason why it cannot be used.

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
