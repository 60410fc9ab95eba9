r"""Moved activations for the training of a decoder: what edits ask it to draw, and what no picture gives.

Notation: ``a`` activations of a batch ``[N, C, h, w]``, ``b`` the same batch in another order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOISE = 0.1
"""Noise on activations, relative to their root mean square."""


def noisy(activations: Tensor, rectified: bool, generator: torch.Generator) -> Tensor:
    r"""Activations with noise: :math:`a + 0.1 \sqrt{\overline{a^2}}\, \varepsilon`, not negative where rectified.

    Args:
        activations: ``a``.
        rectified: whether the layer's output cannot be negative.
        generator: draws ``ε``, on the CPU.
    """
    drawn = torch.randn(activations.shape, generator=generator).to(activations)
    moved = activations + NOISE * activations.square().mean().sqrt() * drawn
    return moved.clamp_(min=0) if rectified else moved


@dataclass(frozen=True)
class Mixture:
    """A batch with blocks of other pictures.

    Args:
        activations: ``[N, C, h, w]``.
        pictures: ``[N, 3, H, W]``: the pictures that these activations should be decoded to.
        known: ``[N]`` bool, whether the picture is known: the block is one of a picture, and not its mean.
    """

    activations: Tensor
    pictures: Tensor
    known: Tensor


def mixed(activations: Tensor, pictures: Tensor, generator: torch.Generator) -> Mixture:
    """Activations with a block of another picture's, as transplants, swaps and located steps leave them.

    For every picture another one, a block of one position to half the side is drawn, and where it comes from and goes.
    Of two pictures in turn, one gets the block itself, and the same rectangle of pixels; the other one gets the block's
    mean at each of its positions, and no picture looks like that.

    Args:
        activations: ``a``.
        pictures: ``[N, 3, H, W]``, in which a position stands for a rectangle of ``H / h × W / w`` pixels.
        generator: draws partners, blocks and places, on the CPU.

    Example:
        >>> values = torch.arange(8.0).view(8, 1, 1, 1)
        >>> mixture = mixed(values, values, torch.Generator().manual_seed(0))
        >>> mixture.activations.flatten().sort().values
        tensor([0., 1., 2., 3., 4., 5., 6., 7.])
        >>> torch.equal(mixture.activations[mixture.known], mixture.pictures[mixture.known])
        True
    """
    count, _, height, width = activations.shape
    partners = torch.randperm(count, generator=generator)
    moved = activations.clone()
    wanted = pictures.clone()
    for number, partner in enumerate(partners.tolist()):
        rows = _draw(1, max(height // 2, 1), generator)
        columns = _draw(1, max(width // 2, 1), generator)
        (top, there), (left, from_left) = (
            (_draw(0, side - block, generator), _draw(0, side - block, generator))
            for side, block in ((height, rows), (width, columns))
        )
        block = activations[partner, :, there : there + rows, from_left : from_left + columns]
        if number % 2:
            block = block.mean(dim=(1, 2), keepdim=True)
        moved[number, :, top : top + rows, left : left + columns] = block
        # The same rectangle in pixels, whole ones.
        y, source_y, x, source_x, high, wide = (
            place * side // positions
            for place, side, positions in (
                (top, pictures.shape[2], height),
                (there, pictures.shape[2], height),
                (left, pictures.shape[3], width),
                (from_left, pictures.shape[3], width),
                (rows, pictures.shape[2], height),
                (columns, pictures.shape[3], width),
            )
        )
        wanted[number, :, y : y + high, x : x + wide] = pictures[
            partner, :, source_y : source_y + high, source_x : source_x + wide
        ]
    return Mixture(moved, wanted, torch.arange(count, device=activations.device) % 2 == 0)


def _draw(lowest: int, highest: int, generator: torch.Generator) -> int:
    return int(torch.randint(lowest, highest + 1, (), generator=generator))
