"""Directions in which activations are moved. Concept vectors, components, normals and gradients all take this form.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``c`` the class towards which they are moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.counterfactual.direction_kinds import RANDOM_BASELINE, RANDOM_DIRECTIONS


@dataclass(frozen=True)
class Direction:
    """A direction in which the activations of a layer are moved.

    Args:
        name: the kind of the direction, e.g. ``hyperplane``. Tables compare these kinds.
        origin: the source of the direction, in words for a reader.
        layer: the layer whose activations are moved.
        values: a vector ``[C]`` that is added at every position, or a map ``[C, h, w]``. Its length does not count.

    Raises:
        ShapeError: the values have another number of axes, or all of them are zero.

    Example:
        >>> Direction("hyperplane", "normal from 3 to 7", "layer3", torch.tensor([3.0, 4.0])).unit((2, 1, 1)).flatten()
        tensor([0.6000, 0.8000])
    """

    name: str
    origin: str
    layer: str
    values: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim not in (1, 3):
            raise ShapeError(f"direction {self.name} is [C] or [C, h, w], got {list(self.values.shape)}")
        if not self.values.any():
            raise ShapeError(f"direction {self.name} ({self.origin}) is zero throughout: it leads nowhere")

    def unit(self, shape: Sequence[int]) -> Tensor:
        """The direction of length 1 for activations of a ``shape`` (C, h, w).

        Raises:
            ShapeError: the direction does not fit; the message names both shapes.
        """
        spread = self.values[:, None, None] if self.values.ndim == 1 else self.values
        if spread.shape[0] != shape[0] or (self.values.ndim == 3 and spread.shape != torch.Size(shape)):
            raise ShapeError(
                f"direction {self.name} {list(self.values.shape)} does not fit activations {list(shape)} "
                f"of {self.layer}"
            )
        whole = spread.expand(*shape).double()
        return (whole / whole.norm()).float()


def strongest_component(components: Tensor, gradients: Tensor) -> int:
    r"""The component along which the class gains most.

    .. math:: k^* = \arg\max_k \sum_{n,p} \langle \nabla_{a_{np}} \log p_c, \; u_k / \lVert u_k \rVert \rangle

    Args:
        components: ``u`` ``[k, C]``, the components of the class.
        gradients: ``[N, C, h, w]`` the gradients of the log probability of the class, as
            :func:`~conceptrast.counterfactual.log_probability.log_probability_gradients` gives.

    Example:
        >>> strongest_component(torch.tensor([[2.0, 0.0], [0.0, 0.5]]), torch.tensor([[[[1.0]], [[3.0]]]]))
        1
    """
    lengths = components.norm(dim=1).clamp(min=1e-30)
    return int((components @ gradients.sum(dim=(0, 2, 3)) / lengths).argmax())


def random_directions(layer: str, shape: Sequence[int], seed: int, images: Sequence[int]) -> dict[str, list[Direction]]:
    """The chance rows: for every image a random vector and a random map, by their names.

    Args:
        layer: the layer whose activations are moved.
        shape: (C, h, w) of the activations.
        seed: the seed of the draws.
        images: ids ``[N]``; each image has its own draw.

    Example:
        >>> chance = random_directions("layer3", (2, 3, 3), seed=0, images=[4])
        >>> [(name, tuple(directions[0].values.shape)) for name, directions in chance.items()]
        [('random_vector', (2,)), ('random_map', (2, 3, 3))]
    """
    directions: dict[str, list[Direction]] = {}
    for number, (name, sizes) in enumerate(zip(RANDOM_DIRECTIONS, (tuple(shape[:1]), tuple(shape)), strict=True)):
        draws = [
            generator(Stream.RANDOM_DIRECTIONS, seed, image, number).standard_normal(tuple(sizes)) for image in images
        ]
        directions[name] = [Direction(name, RANDOM_BASELINE, layer, torch.from_numpy(drawn).float()) for drawn in draws]
    return directions
