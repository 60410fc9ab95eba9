"""A hyperplane between the activations of two classes, and its chance row: a random direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.streams import Stream, generator
from conceptrast.contrast.pairs import Pair

NO_PLANE = "no separating plane: the features of both classes are the same, or have the same mean"
RANDOM_DIRECTION = "random_direction"
"""The name of the chance row: a random direction as long as the normal."""


@dataclass(frozen=True)
class Hyperplane:
    r"""The plane :math:`w \cdot a + b = 0` between two classes. :math:`w` points from the first to the second.

    Attributes:
        normal: ``[C]`` float32, not scaled to length 1.
        bias: the bias, in the unit of ``normal @ activation``.
    """

    normal: np.ndarray
    bias: float

    @property
    def length(self) -> float:
        """Euclidean length of the normal."""
        return float(np.linalg.norm(self.normal.astype(np.float64)))

    def reversed(self) -> Hyperplane:
        """The same plane seen from the other class.

        Example:
            >>> Hyperplane(np.array([3.0]), -5.0).reversed()
            Hyperplane(normal=array([-3.]), bias=5.0)
        """
        return Hyperplane(-self.normal, -self.bias)

    def distances(self, activations: Tensor) -> Tensor:
        r"""The signed distance of every position, negative on the first class's side.

        .. math:: d_{n y x} = (w \cdot a_{n y x} + b) / \lVert w \rVert

        Args:
            activations: ``[N, C, h, w]``.

        Returns:
            ``[N, h, w]`` float32, in units of the activations.

        Raises:
            ConceptrastError: the normal is zero.

        Example:
            >>> plane = Hyperplane(np.array([3.0, 4.0], np.float32), -5.0)
            >>> plane.distances(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1))
            tensor([[[4.]]])
        """
        if not self.length > 0:
            raise ConceptrastError(NO_PLANE)
        normal = torch.from_numpy(self.normal).to(activations.device)
        return (torch.einsum("nchw,c->nhw", activations.float(), normal) + self.bias) / self.length


def random_hyperplane(plane: Hyperplane, between: np.ndarray, seed: int, pair: Pair) -> Hyperplane:
    """The chance plane: a random direction as long as the normal, through a point between the classes.

    Args:
        plane: the plane that gives the length of the normal.
        between: ``[C]`` a point of the plane, for example the middle of the two classes' mean features.
        seed: the seed of the draw.
        pair: the pair of classes; each pair has its own draw.

    Example:
        >>> plane = Hyperplane(np.array([3.0, 4.0], np.float32), 0.0)
        >>> round(random_hyperplane(plane, np.zeros(2), 0, (0, 1)).length, 4)
        5.0
    """
    drawn = generator(Stream.RANDOM_NORMAL, seed, *pair).standard_normal(len(plane.normal))
    normal = (drawn * (plane.length / np.linalg.norm(drawn))).astype(np.float32)
    return Hyperplane(normal, -float(normal.astype(np.float64) @ between))
