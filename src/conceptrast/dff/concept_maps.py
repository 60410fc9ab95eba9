r"""The places of a factorization's concepts in pictures, and a layer's vectors there.

Notation: activations ``[N, C, h, w]``; of each concept j a heatmap ``H_j`` ``[N, h, w]``, the vector ``W_j`` ``[C]`` it
adds, and the offset ``b`` ``[C]`` under all of them (:mod:`conceptrast.dff.factorization`). ``r_j = H_j / max H_j`` is
the relative heat, 1 where the concept is strongest. A factorization does not fix the scale of ``H_j``, since ``W_j``
makes up for it. Nothing here depends on this scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from conceptrast.base.errors import ConfigError
from conceptrast.dff.factorization import DeepFeatures, deep_feature_factorization

REGION = 0.25
"""The least relative heat inside a concept's region."""


def factorize_in_order(
    activations: np.ndarray | Tensor, n_components: Sequence[int], seed: int = 0
) -> dict[int, DeepFeatures]:
    """Factorize into several numbers of concepts. A concept keeps its place if it comes back in the next factorization.

    In the smallest factorization, concepts are ordered by their share, largest first. In every further one, the
    concepts most like the previous ones take their places (cosine of the heatmaps, best assignment). New concepts
    follow by share. So colours and numbers show which concepts split and which merge.

    Args:
        activations: ``[N, C, h, w]``.
        n_components: numbers of concepts.
        seed: the seed of every random start.

    Returns:
        By number of concepts, rising, what :func:`~conceptrast.dff.factorization.deep_feature_factorization` gives, in
        that order.

    Raises:
        ConfigError: there is no number, or one is not possible.
        As :func:`~conceptrast.dff.factorization.deep_feature_factorization` beside that.

    Example:
        >>> activations = np.random.default_rng(0).random((1, 8, 4, 4))
        >>> {k: features.heatmaps.shape for k, features in factorize_in_order(activations, [3, 2]).items()}
        {2: (1, 2, 4, 4), 3: (1, 3, 4, 4)}
    """
    if not len(n_components):
        raise ConfigError("give at least one number of concepts")
    factorizations: dict[int, DeepFeatures] = {}
    before = None
    for k in sorted(set(n_components)):
        features = deep_feature_factorization(activations, k, seed)
        order = by_likeness(features, before)
        before = features._replace(
            concepts=features.concepts[order], heatmaps=np.ascontiguousarray(features.heatmaps[:, order])
        )
        factorizations[k] = before
    return factorizations


def by_likeness(features: DeepFeatures, before: DeepFeatures | None) -> list[int]:
    """Order concepts: each takes the place of the previous concept that it is most like. The others follow by share.

    Args:
        features: ``k`` concepts.
        before: at most ``k`` previous concepts of the same images; ``None`` if there are none.

    Returns:
        The numbers 0 to ``k`` - 1, each once: first the places of ``before``, then the new ones.

    Example:
        >>> maps = np.eye(3, 4, dtype=np.float32).reshape(1, 3, 2, 2)
        >>> three = DeepFeatures(np.float32([[1], [2], [3]]), maps, np.zeros(1, np.float32), 0.0)
        >>> one = DeepFeatures(np.ones((1, 1), np.float32), maps[:, 1:2], np.zeros(1, np.float32), 0.0)
        >>> by_likeness(three, None), by_likeness(three, one)
        ([2, 1, 0], [1, 2, 0])
    """
    largest = np.argsort(-features.shares, kind="stable").tolist()
    if before is None:
        return largest
    similarities = _directions(before.heatmaps) @ _directions(features.heatmaps).T
    _, matches = linear_sum_assignment(similarities, maximize=True)
    kept = matches.tolist()
    return [*kept, *(number for number in largest if number not in set(kept))]


def _directions(heatmaps: np.ndarray) -> np.ndarray:
    """Heatmaps over all images as vectors of length 1, ``[k, N h w]``; zero where there is no heat."""
    flat = heatmaps.transpose(1, 0, 2, 3).reshape(heatmaps.shape[1], -1).astype(np.float64)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def relative_heat(features: DeepFeatures, size: tuple[int, int]) -> Tensor:
    r"""The heat of each concept, relative to its highest heat, in the size of the pictures.

    .. math:: r_{n j y x} = H_{n j y x} \,/ \max_{n y x} H_{n j y x}

    Args:
        features: the features of ``N`` images.
        size: height and width of the pictures.

    Returns:
        ``[N, k, H, W]`` float32, 0 to 1, enlarged bilinearly; 0 for a concept that is nowhere.

    Example:
        >>> heatmaps = np.float32([[[[0, 4]]]])
        >>> relative_heat(DeepFeatures(np.ones((1, 1)), heatmaps, np.zeros(1), 0.0), (1, 4)).tolist()
        [[[[0.0, 0.25, 0.75, 1.0]]]]
    """
    highest = np.where(features.highest > 0, features.highest, 1)[:, None, None]
    heat = torch.from_numpy((features.heatmaps / highest).astype(np.float32))
    return nn.functional.interpolate(heat, size=size, mode="bilinear", align_corners=False)


def regions(heat: Tensor, least: float = REGION) -> Tensor:
    r"""A concept's region: the part of the picture where it is strong and stronger than all others.

    .. math:: m_{n j y x} = \big[ r_{n j y x} = \max_i r_{n i y x} \big] \, \big[ r_{n j y x} \ge \text{least} \big]

    Args:
        heat: ``[N, k, H, W]`` relative heat.
        least: least relative heat inside a region.

    Returns:
        ``[N, k, H, W]`` bool; if concepts are equal, the first has the place.

    Example:
        >>> regions(torch.tensor([[[[0.9, 0.1]], [[0.6, 0.2]]]])).tolist()
        [[[[True, False]], [[False, False]]]]
    """
    first = heat.argmax(dim=1, keepdim=True) == torch.arange(heat.shape[1])[:, None, None]
    return first & (heat >= least)


def concept_vectors(features: DeepFeatures, heat: np.ndarray | None = None) -> np.ndarray:
    r"""The layer's vector at a place with only one concept, at a given heat.

    .. math:: v_j = b + t_j W_j

    Args:
        features: ``k`` concepts.
        heat: ``t`` ``[k]``. The default is the highest value of each heatmap, which does not depend on the scale of the
            factorization. The grad-cam package takes 1, whatever the scale is.

    Returns:
        ``[k, C]`` float32, in the unit of the activations.

    Example:
        >>> features = DeepFeatures(np.float32([[3.0]]), np.float32([[[[0, 4]]]]), np.float32([1.0]), 0.0)
        >>> concept_vectors(features).tolist(), concept_vectors(features, np.ones(1)).tolist()
        ([[9.0]], [[3.0]])
    """
    heat = features.highest if heat is None else heat
    return (features.offset + heat[:, None] * (features.concepts - features.offset)).astype(np.float32)
