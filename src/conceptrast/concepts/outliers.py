r"""How unlike the images of its class is a picture? What the class's components leave over of it.

Notation as in :mod:`conceptrast.concepts.component_removal`. The score of a picture is

.. math:: r = \frac{\lVert m \odot \max(a, 0) - \sum_i u_i h_i \rVert}{\lVert m \odot \max(a, 0) \rVert}

and its *quantile* is the share of other images of the class whose score is lower. Components describe the images that
they were made from better than any others, so the images are halved: components of one half, scores of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.streams import Stream, generator
from conceptrast.concepts.attributed_images import weighing
from conceptrast.concepts.class_factorization import factorize_classes
from conceptrast.concepts.component_removal import ComponentParts, channel_weights
from conceptrast.concepts.recipes import Recipe


def unexplained_shares(components: ComponentParts, activations: Tensor) -> np.ndarray:
    """The scores ``r`` ``[N]`` of activations ``[N, C, h, w]``, 0 to 1; 1 where no channel of the class is active.

    Example:
        >>> components = ComponentParts(np.array([[1.0, 0.0]]), np.ones(2))
        >>> activations = torch.tensor([[3.0, 4.0], [5.0, 0.0]]).view(2, 2, 1, 1)
        >>> unexplained_shares(components, activations).astype(float).round(3).tolist()
        [0.8, 0.0]
    """
    weights = torch.from_numpy(np.asarray(components.weights)).float()[:, None, None]
    weighted = activations.float().cpu().clamp(min=0) * weights
    vectors = torch.from_numpy(np.asarray(components.vectors)).float()
    rest = weighted - torch.einsum("nkyx,kc->ncyx", components.codes(activations), vectors)
    whole = weighted.flatten(1).norm(dim=1)
    shares = torch.where(whole > 0, rest.flatten(1).norm(dim=1) / whole.clamp(min=1e-30), torch.ones(()))
    return shares.numpy()


@dataclass(frozen=True)
class OutlierReference:
    """The components of one half of a class's images, and the scores of the other half.

    Args:
        components: of the first half.
        scores: ``[n]`` of the second half.
    """

    components: ComponentParts
    scores: np.ndarray

    def quantile(self, activations: Tensor) -> float:
        """Share of the other half's images that are less unlike the class than a picture ``[C, h, w]``, 0 to 1."""
        [score] = unexplained_shares(self.components, activations[None])
        return float((self.scores < score).mean())


def outlier_reference(
    activations: Tensor, attribution: Mapping[str, np.ndarray], recipe: Recipe, *, target: int, seed: int
) -> OutlierReference | None:
    """Halve the images of a class.

    Args:
        activations: ``[n, C, h, w]`` of the class's images; negative values count as zero.
        attribution: rectified ``[n, h, w]``, multiplier ``[n, C]`` and linear_share ``[n]`` of the same images.
        recipe: how they are factorized.
        target: the class, which has halves of its own.
        seed: the seed of the halves and of the factorization.

    Returns:
        ``None`` if the class has one image, or the first half has nothing to factorize.
    """
    count = len(activations)
    order = generator(Stream.OUTLIER_HALVES, seed, target).permutation(count)
    first = np.sort(order[: count // 2])
    second = np.sort(order[count // 2 :])
    if not len(first):
        return None
    of_first = weighing(attribution, first)
    factorized = factorize_classes(
        [(target, activations[torch.from_numpy(first)], slice(0, len(first)))],
        of_first,
        [recipe.factors],
        seed=seed,
        rectify=True,
    )
    if not len(factorized["classes"]):
        return None
    vectors = factorized[f"components_{recipe.factors.key}"][0]
    components = ComponentParts(vectors, channel_weights(of_first, recipe.weighting))
    return OutlierReference(components, unexplained_shares(components, activations[torch.from_numpy(second)]))
