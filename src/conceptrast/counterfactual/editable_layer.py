"""What edits need to know of a layer: a cut network is such a layer, and so is an injection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class EditableLayer(Protocol):
    """A layer whose values can be changed.

    Notation: ``v`` values ``[N, C, h, w]``, ``r`` the tensors that go around the layer, each ``[N, …]``. There are none
    where the network can be cut at the layer.
    """

    @property
    def layer(self) -> str:
        """Its name."""

    @property
    def rectified(self) -> bool:
        """Whether its own output cannot be negative."""

    @property
    def suffix(self) -> Callable[..., Tensor]:
        """The rest of the network: from ``v`` and the tensors of ``r`` to logits ``[N, n_classes]``."""


@dataclass(frozen=True)
class LayerOfPicture:
    """A layer for values of one picture: what goes around it is always that of this picture.

    Args:
        edited: the layer.
        around: the tensors of ``r``, each ``[1, …]``.
    """

    edited: EditableLayer
    around: Sequence[Tensor]

    @property
    def layer(self) -> str:
        """Its name."""
        return self.edited.layer

    @property
    def rectified(self) -> bool:
        """Whether its own output cannot be negative."""
        return self.edited.rectified

    def suffix(self, values: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of ``N`` values for the picture."""
        same = (tensor.expand(len(values), *tensor.shape[1:]) for tensor in self.around)
        return self.edited.suffix(values, *same)


def batches_of(
    values: Tensor, around: Sequence[Tensor], batch_size: int
) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Values batch by batch, each with what goes around them.

    Args:
        values: ``v`` ``[N, …]``.
        around: the tensors of ``r``, each ``[N, …]``.
        batch_size: pictures in a batch.

    Example:
        >>> import torch
        >>> batches = batches_of(torch.arange(3), [torch.arange(3) + 10], batch_size=2)
        >>> [(values.tolist(), [part.tolist() for part in around]) for values, around in batches]
        [([0, 1], [[10, 11]]), ([2], [[12]])]
    """
    parts = [tensor.split(batch_size) for tensor in around]
    for number, batch in enumerate(values.split(batch_size)):
        yield batch, tuple(part[number] for part in parts)
