r"""Edits: ways in which the activations of a picture of one class become more like those of another.

Notation: ``a`` activations ``[C, h, w]`` of a picture at a layer, ``t`` the part of the way that is done, from 0 to 1,
``δ`` the change of an edit ``[C, h, w]``, ``r`` the order of its positions ``[h, w]``, ``n`` the number of places in
this order:

.. math:: a_p(t) = a_p + \min(\max(n t - r_p,\, 0),\, 1)\; \delta_p

An edit without an order changes all its positions together: ``n = 1`` and ``r = 0``. Where the layer's output is
rectified, negative values become zero, so no edit asks for what the layer cannot give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.base.streams import Stream, generator
from conceptrast.counterfactual.editable_layer import EditableLayer


@dataclass(frozen=True)
class Edit:
    """An edit of the activations of one picture.

    Args:
        kind: the way in which activations are changed, e.g. ``located``. Tables compare these kinds.
        direction: the vector that they are changed along, e.g. ``hyperplane``; ``none`` where there is no such vector.
        origin: where the change comes from, in words for a reader.
        layer: the layer whose activations are changed.
        change: ``δ`` ``[C, h, w]``: what is added in the end.
        order: ``r`` ``[h, w]`` int: 0 for the positions that change first, 1 for the next ones, …; without it all
            positions change together.
        around: what goes around the layer in the picture, tensors ``[1, …]``; none where the network can be cut there.

    Raises:
        ShapeError: the change or the order has another shape than activations have, or the change is zero throughout.

    Example:
        >>> Edit("located", "cav", "concept 3 of cat", "layer3", torch.eye(2).view(2, 2, 1)).cells
        2
    """

    kind: str
    direction: str
    origin: str
    layer: str
    change: Tensor
    order: Tensor | None = None
    around: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if self.change.ndim != 3:
            raise ShapeError(f"edit {self.name} changes activations [C, h, w], got {list(self.change.shape)}")
        if self.order is not None and self.order.shape != self.change.shape[1:]:
            raise ShapeError(
                f"edit {self.name} has an order {list(self.order.shape)} of {list(self.change.shape[1:])} positions"
            )
        if not self.change.any():
            raise ShapeError(f"edit {self.name} ({self.origin}) is zero throughout: it leads nowhere")

    @property
    def name(self) -> str:
        """Kind and direction in one word, for names of files."""
        return self.kind if self.direction == "none" else f"{self.kind}-{self.direction}"

    @property
    def cells(self) -> int:
        """Number of positions that change."""
        return int(self.change.any(dim=0).sum())

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse activations of another shape (C, h, w).

        Raises:
            ShapeError: the edit does not fit; the message names both shapes.
        """
        if tuple(self.change.shape) != tuple(shape):
            raise ShapeError(
                f"edit {self.name} {list(self.change.shape)} does not fit activations {list(shape)} of {self.layer}"
            )


@dataclass(frozen=True)
class Edits:
    """Edits of ``M`` pictures, one each, as tensors.

    Args:
        starts: ``a`` ``[M, C, h, w]``.
        changes: ``δ`` ``[M, C, h, w]``.
        orders: ``r`` ``[M, h, w]``.
        places: ``n`` ``[M]``.
        rectified: whether negative values become zero.
        around: for each of the pictures the tensors that go around the layer, each ``[1, …]``; may be left out where
            the network can be cut there.
    """

    starts: Tensor
    changes: Tensor
    orders: Tensor
    places: Tensor
    rectified: bool
    around: Sequence[tuple[Tensor, ...]] = ()

    @classmethod
    def of(cls, layer: EditableLayer, starts: Tensor, edits: Sequence[Edit]) -> Edits:
        """Put edits together.

        Args:
            layer: the model, cut at the layer, or an injection.
            starts: ``[M, C, h, w]``.
            edits: one for each of the pictures.

        Raises:
            ShapeError: an edit does not fit the activations.
        """
        shape = starts.shape[1:]
        for edit in edits:
            edit.check_shape(shape)
        blank = torch.zeros(tuple(shape[1:]), dtype=torch.long)
        orders = torch.stack([blank if edit.order is None else edit.order.cpu() for edit in edits])
        changes = torch.stack([edit.change for edit in edits]).to(starts)
        return cls(
            starts=starts,
            changes=changes.contiguous(memory_format=torch.channels_last),
            orders=orders.to(starts),
            places=(orders.flatten(1).amax(dim=1) + 1).to(starts),
            rectified=layer.rectified,
            around=[edit.around for edit in edits],
        )

    def at(self, way: Tensor, numbers: Tensor | None = None) -> Tensor:
        """Activations ``a(t)`` ``[n, C, h, w]``.

        Args:
            way: ``t`` ``[n]``.
            numbers: which of the pictures ``[n]``; without it, all.
        """
        rows = slice(None) if numbers is None else numbers
        done = way.to(self.starts) * self.places[rows]
        weights = (done[:, None, None] - self.orders[rows]).clamp(0, 1)
        moved = self.starts[rows] + weights[:, None] * self.changes[rows]
        return moved.clamp_(min=0) if self.rectified else moved

    def around_of(self, numbers: Tensor) -> tuple[Tensor, ...]:
        """What goes around the layer in some of the pictures, tensors ``[n, …]``.

        Args:
            numbers: which of the pictures ``[n]``.
        """
        return together([self.around[number] for number in numbers.tolist()] if self.around else [])

    def __len__(self) -> int:
        return len(self.starts)


def together(around: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """What goes around a layer in several pictures.

    Args:
        around: for each picture tensors ``[1, …]``, or none.

    Returns:
        Tensors ``[n, …]``, or none.

    Example:
        >>> [tensor.tolist() for tensor in together([[torch.tensor([1])], [torch.tensor([2])]])], together([[], []])
        ([[1, 2]], ())
    """
    return tuple(torch.cat(tensors) for tensors in zip(*around, strict=True))


def uniform(activations: Tensor, vector: Tensor, limit: float) -> Tensor:
    r"""A vector, added at all positions.

    .. math:: \delta_p = L \lVert a \rVert \frac{u}{\sqrt{h w} \lVert u \rVert}

    Args:
        activations: ``a`` ``[C, h, w]``.
        vector: ``u`` ``[C]``.
        limit: ``L``, the length of the change relative to that of the activations.

    Example:
        >>> uniform(torch.ones(2, 1, 2), torch.tensor([3.0, 4.0]), limit=0.5).norm()
        tensor(1.)
    """
    return located(activations, vector, torch.ones_like(activations[0]), limit)


def located(activations: Tensor, vector: Tensor, weights: Tensor, limit: float) -> Tensor:
    r"""A vector, added where weights say so.

    .. math:: \delta_p = L \lVert a \rVert \frac{w_p u}{\lVert w \rVert \lVert u \rVert}

    Args:
        activations: ``a`` ``[C, h, w]``.
        vector: ``u`` ``[C]``.
        weights: ``w`` ``[h, w]``, not negative.
        limit: ``L``.

    Example:
        >>> located(torch.ones(1, 1, 4), torch.tensor([2.0]), torch.tensor([[0.0, 3.0, 0.0, 0.0]]), limit=1.0)
        tensor([[[0., 2., 0., 0.]]])
    """
    return along(activations, vector.to(activations)[:, None, None] * weights.to(activations), limit)


def along(activations: Tensor, direction: Tensor, limit: float) -> Tensor:
    r"""A direction for all positions, brought to a length: :math:`\delta = L \lVert a \rVert\, d / \lVert d \rVert`.

    Args:
        activations: ``a`` ``[C, h, w]``.
        direction: ``d`` ``[C, h, w]``; where it is zero, so is the change.
        limit: ``L``.

    Example:
        >>> along(torch.tensor([[[3.0]], [[4.0]]]), torch.tensor([[[0.0]], [[9.0]]]), limit=1.0).flatten()
        tensor([0., 5.])
    """
    values = direction.to(activations).double()
    unit = values / values.norm().clamp(min=torch.finfo(torch.float64).tiny)
    return (limit * activations.double().norm() * unit).to(activations)


def random_twin(edit: Edit, seed: int, image: int, kind: str) -> Edit:
    """An edit of the same positions, order and size at each position, along a random vector.

    Args:
        edit: the edit.
        seed: the seed of the draw.
        image: the id of the picture; each has its own draw.
        kind: ``vector``: the same random vector at every position; ``map``: one for each.

    Example:
        >>> edit = Edit("uniform", "cav", "concept 3", "layer3", torch.ones(4, 2, 2))
        >>> random_twin(edit, seed=0, image=7, kind="vector").change.norm(dim=0)
        tensor([[2., 2.],
                [2., 2.]])
    """
    shape = tuple(edit.change.shape) if kind == "map" else (edit.change.shape[0], 1, 1)
    drawn = torch.from_numpy(generator(Stream.RANDOM_DIRECTIONS, seed, image).standard_normal(shape)).to(edit.change)
    sizes = edit.change.norm(dim=0, keepdim=True)
    return replace(edit, origin="random", change=sizes * drawn / drawn.norm(dim=0, keepdim=True))
