r"""Swaps: what a component of one class holds of a picture becomes what a component of another class looks like.

Notation: ``a`` activations ``[N, C, h, w]``; ``h_k`` the components of a class ``[k, C]``, found in activations that
are weighted channel by channel with ``m`` ``[C]``; ``c`` their codes ``[N, k, y, x]``, one for each window of ``s × s``
positions, over which weighted activations are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from conceptrast.concepts.nmf_codes import map_codes
from conceptrast.counterfactual.editable_layer import EditableLayer, batches_of
from conceptrast.models.inference import autocast
from conceptrast.models.injection import LayerValues

LEAST_WINDOW = 3
"""Positions a side that a component is shown in at least, where its factorization does not pool."""


class Windows(NamedTuple):
    """The windows whose means a recipe factorizes.

    Args:
        kernel: positions a side.
        stride: positions from one window to the next.
    """

    kernel: int = 1
    stride: int = 1


@dataclass(frozen=True)
class ClassComponents:
    """The components of a class, and how they see activations.

    Args:
        vectors: ``[k, C]``.
        weights: ``m`` ``[C]``, the weights of the class's channels; ones where positions are weighted.
        windows: whose means are factorized.
    """

    vectors: np.ndarray
    weights: np.ndarray
    windows: Windows

    def codes(self, activations: Tensor) -> Tensor:
        """How much of each component each window holds.

        Args:
            activations: ``[N, C, h, w]``; negative values count as zero.

        Returns:
            ``[N, k, y, x]``.
        """
        weighted = activations.float().cpu().clamp(min=0) * torch.from_numpy(self.weights).float()[:, None, None]
        pooled = torch.nn.functional.avg_pool2d(weighted, self.windows.kernel, self.windows.stride)
        return map_codes(pooled, self.vectors)


class Corner(NamedTuple):
    """The first row and column of a square block of positions."""

    top: int
    left: int


def block_of(window: int, columns: int, windows: Windows, shape: tuple[int, int]) -> tuple[Corner, int]:
    """The block of positions in which a component is shown: the window itself, or at least 3×3 positions around it.

    Args:
        window: number of the window, row by row.
        columns: windows in a row.
        windows: their size and stride.
        shape: (h, w) of the layer.

    Returns:
        The block's corner, and its positions a side.

    Example:
        >>> block_of(4, 3, Windows(2, 2), (6, 6)), block_of(0, 6, Windows(1, 1), (6, 6))
        ((Corner(top=2, left=2), 2), (Corner(top=0, left=0), 3))
    """
    row, column = divmod(window, columns)
    side = min(windows.kernel if windows.kernel > 1 else LEAST_WINDOW, *shape)
    margin = (side - windows.kernel) // 2
    top, left = (
        min(max(place * windows.stride - margin, 0), length - side)
        for place, length in ((row, shape[0]), (column, shape[1]))
    )
    return Corner(top, left), side


def strongest_blocks(
    codes: Tensor, component: int, windows: Windows, shape: tuple[int, int]
) -> list[tuple[Corner, int]]:
    """For every picture the block in which a component is strongest.

    Args:
        codes: ``[N, k, y, x]``.
        component: number of the component.
        windows: their size and stride.
        shape: (h, w) of the layer.
    """
    best = codes[:, component].flatten(1).argmax(dim=1).tolist()
    return [block_of(window, codes.shape[3], windows, shape) for window in best]


def template(activations: Tensor, codes: Tensor, component: int, windows: Windows) -> Tensor:
    r"""What a component looks like where it lies: the mean of the blocks in which it is strongest.

    .. math:: T = \sum_n c_n\, a_n[\text{block}_n] \,/\, \sum_n c_n

    Args:
        activations: ``a`` ``[N, C, h, w]`` of pictures of the class.
        codes: ``[N, k, y, x]``; ``c_n`` is the largest of a picture.
        component: number of the component.
        windows: their size and stride.

    Returns:
        ``[C, s, s]``.

    Example:
        >>> values, codes = torch.tensor([2.0, 6.0]).view(2, 1, 1, 1), torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
        >>> template(values, codes, 0, Windows()).item()
        5.0
    """
    blocks = strongest_blocks(codes, component, windows, (activations.shape[2], activations.shape[3]))
    parts = torch.stack(
        [
            values[:, corner.top : corner.top + side, corner.left : corner.left + side]
            for values, (corner, side) in zip(activations, blocks, strict=True)
        ]
    )
    strength = codes[:, component].flatten(1).amax(dim=1).to(parts).clamp(min=1e-30)
    return torch.einsum("n,nchw->chw", strength, parts) / strength.sum()


def put_in(activations: Tensor, part: Tensor, corner: Corner) -> Tensor:
    """Activations ``[C, h, w]`` with a part ``[C, s, s]`` in place of the block at a corner."""
    moved = activations.clone()
    height, width = part.shape[1:]
    moved[:, corner.top : corner.top + height, corner.left : corner.left + width] = part
    return moved


@dataclass(frozen=True)
class Swap:
    """The swap of one component for another one.

    Args:
        component: number of the component of the pictures' class.
        other: number of the component of the other class.
        changes: ``[N, C, h, w]``: the template of the other component minus the activations, 0 outside the block.
    """

    component: int
    other: int
    changes: Tensor


@torch.inference_mode()
def best_swap(
    layer: EditableLayer,
    pictures: LayerValues,
    donors: Tensor,
    components: tuple[ClassComponents, ClassComponents],
    target: int,
    *,
    precision: str = "float32",
    batch_size: int = 64,
) -> Swap:
    r"""The swap of one component of ``A`` for one of ``B`` that brings pictures of ``A`` nearest to ``B``.

    .. math:: \arg\max_{k, l} \sum_n \log \mathrm{softmax}(f(a_n^{k \to l}))_B

    Args:
        layer: the model, cut at the layer, or an injection.
        pictures: ``a`` ``[N, C, h, w]`` of pictures of ``A``, and what goes around the layer in them.
        donors: ``[D, C, h, w]`` of pictures of ``B``.
        components: of ``A`` and of ``B``.
        target: ``B``.
        precision: precision of the rest of the network ``f``.
        batch_size: activations that go through it at once.
    """
    # Where the components of both classes lie, and what those of the other class look like there.
    activations = pictures.activations
    shape = (activations.shape[2], activations.shape[3])
    first, second = components
    codes = first.codes(activations)
    donor_codes = second.codes(donors)
    templates = [template(donors, donor_codes, number, second.windows) for number in range(len(second.vectors))]

    # Every component of the one in place of every component of the other.
    best: tuple[float, Swap] | None = None
    for component in range(len(first.vectors)):
        blocks = strongest_blocks(codes, component, first.windows, shape)
        for number, part in enumerate(templates):
            moved = torch.stack(
                [put_in(values, part, corner) for values, (corner, _) in zip(activations, blocks, strict=True)]
            )
            gained = 0.0
            for batch, around_batch in batches_of(moved, pictures.around, batch_size):
                with autocast(precision, batch.device):
                    logits = layer.suffix(batch.contiguous(memory_format=torch.channels_last), *around_batch)
                gained += float(logits.double().log_softmax(dim=1)[:, target].sum())
            if best is None or gained > best[0]:
                best = (gained, Swap(component, number, moved - activations))
    assert best is not None
    return best[1]
