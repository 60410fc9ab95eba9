r"""Activations whose channels vary alike and independently of each other.

Notation: ``a`` activations at a position ``[C]``; ``μ`` their mean over many pictures ``[C]``; ``S`` their covariance
``[C, C]``; ``T`` the matrix that whitens them ``[C, C]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError

RIDGE = 0.1
"""What is added to the variance in every direction, as a share of the mean variance of a channel."""
PICTURES = 512
"""Pictures that mean and covariance are taken from, at most."""


@dataclass(frozen=True)
class Whitening:
    r"""Moves activations to where directions in which most pictures vary count little.

    .. math:: z = T (a - \mu), \qquad T = \big(S + \lambda \tfrac{\operatorname{tr} S}{C} I\big)^{-1/2}

    In a layer after ReLU all activations have a large part in common, and so have high cosines with each other. The
    cosine of whitened activations tells positions apart by what is rare among pictures.

    Attributes:
        mean: ``μ`` ``[C]``.
        matrix: ``T`` ``[C, C]``, symmetric.

    Source: Mahalanobis 1936; shrinkage as in ridge regression, :math:`\lambda` = :data:`RIDGE`.

    Example:
        >>> activations = torch.tensor([[0.0, 1.0], [4.0, 1.0], [0.0, 3.0], [4.0, 3.0]]).view(4, 2, 1, 1)
        >>> whitening = Whitening.of([activations])
        >>> whitening.vectors(np.array([[4.0, 3.0]])).astype(float).round(2).tolist()
        [[0.97, 0.89]]
    """

    mean: Tensor
    matrix: Tensor

    @classmethod
    def of(cls, batches: Iterable[Tensor]) -> Whitening:
        """The whitening of all positions of activations.

        Args:
            batches: ``[n, C, h, w]`` each, in any number.

        Raises:
            ConceptrastError: there are no activations, or none of them varies.
        """
        # Sums over all positions.
        count = 0
        total = square = torch.zeros(())
        for activations in batches:
            rows = activations.float().permute(0, 2, 3, 1).flatten(0, 2)
            total = total + rows.sum(dim=0, dtype=torch.float64)
            square = square + (rows.T @ rows).double()
            count += len(rows)
        if not count:
            raise ConceptrastError("there are no pictures whose activations could be whitened")

        # Mean, covariance, and its inverse root.
        mean = total / count
        covariance = square / count - torch.outer(mean, mean)
        values, directions = torch.linalg.eigh(covariance)
        ridge = RIDGE * float(values.mean())
        if ridge <= 0:
            raise ConceptrastError("activations do not vary from position to position: they cannot be whitened")
        matrix = directions @ torch.diag((values.clamp(min=0) + ridge).rsqrt()) @ directions.T
        return cls(mean=mean.float(), matrix=matrix.float())

    def maps(self, activations: Tensor) -> Tensor:
        """Whitened activations ``[N, C, h, w]``."""
        centred = activations.float() - self.mean[:, None, None]
        return torch.einsum("nchw,cd->ndhw", centred, self.matrix)

    def vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Whitened vectors ``[..., C]`` float32."""
        centred = torch.from_numpy(np.asarray(vectors, np.float32)) - self.mean
        whitened: np.ndarray = (centred @ self.matrix).numpy()
        return whitened


def evenly_spaced(images: np.ndarray, most: int = PICTURES) -> np.ndarray:
    """At most ``most`` of some images, evenly spaced.

    Example:
        >>> evenly_spaced(np.arange(10), most=4).tolist()
        [0, 3, 6, 9]
    """
    places = np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int)
    return images[places]
