"""Directions in which activations are moved: a vector that is the same for all pictures, or a map.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``c`` the class towards which they are moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from conceptrast.base.errors import ShapeError


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
        >>> import torch
        >>> Direction("striped", "mean of striped cats minus that of others", "layer3", torch.ones(2)).layer
        'layer3'
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


def strongest_component(components: Tensor, gradients: Tensor) -> int:
    r"""The component along which the class gains most.

    .. math:: k^* = \arg\max_k \sum_{n,p} \langle \nabla_{a_{np}} \log p_c, \; u_k / \lVert u_k \rVert \rangle

    Args:
        components: ``u`` ``[k, C]``, the components of the class.
        gradients: ``[N, C, h, w]`` the gradients of the log probability of the class, as
            :func:`~conceptrast.counterfactual.log_probability.log_probability_gradients` gives.

    Example:
        >>> import torch
        >>> strongest_component(torch.tensor([[2.0, 0.0], [0.0, 0.5]]), torch.tensor([[[[1.0]], [[3.0]]]]))
        1
    """
    lengths = components.norm(dim=1).clamp(min=1e-30)
    return int((components @ gradients.sum(dim=(0, 2, 3)) / lengths).argmax())
