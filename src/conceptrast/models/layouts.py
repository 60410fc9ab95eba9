r"""Layouts of activations: which axes of a layer's output are positions, and which one is channels.

Everything that explains reads maps ``[N, C, h, w]``. A layer's own activations may have another layout:

==================  =====================  ==============================================================
channels first      ``[N, C, h, w]``       convolutional networks
channels last       ``[N, h, w, C]``       Swin, the inside of ConvNeXt
tokens              ``[N, t + h w, C]``    ViT: ``t`` class tokens, then the patches in reading order
vectors             ``[N, C]``, any other  layers without positions
==================  =====================  ==============================================================

Notation:
    x: a picture of noise; x_p^+, x_p^-: the same picture with a bright and with a dark spot at place p, ``P`` places.
    a: a layer's own activations of x; a_p^+, a_p^-: those of the pictures with a spot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from conceptrast.base.errors import LayerError

#: A class token, and a distillation token or four registers, come before the patches.
MOST_CLASS_TOKENS = 5
#: An axis is the axis of rows if what a spot changes moves along it with the spot's row: the least correlation.
FOLLOWS = 0.8
#: … and not with the spot's column: the largest correlation.
IGNORES = 0.6
#: Spots lie on a grid of so many rows and columns.
_PLACES = 4
#: A spot is this much brighter, or darker, than the noise, whose standard deviation is 1.
_BRIGHTER = 4.0


@dataclass(frozen=True)
class Layout:
    """How a layer's own activations become maps ``[N, C, h, w]``, and maps its own activations.

    Args:
        kind: ``channels first``, ``channels last``, ``tokens`` or ``vectors``.
        class_tokens: number of tokens before those of the patches, if the kind is ``tokens``.
        grid: rows and columns of the patches, if the kind is ``tokens``.

    Example:
        >>> tokens = torch.arange(5.0).reshape(1, 5, 1)
        >>> layout = Layout("tokens", class_tokens=1, grid=(2, 2))
        >>> layout.maps(tokens)
        tensor([[[[1., 2.],
                  [3., 4.]]]])
        >>> str(layout), str(Layout("channels last"))
        ('tokens, 1 class token', 'channels last')
    """

    kind: str
    class_tokens: int = 0
    grid: tuple[int, int] = (0, 0)

    def maps(self, output: Tensor) -> Tensor:
        """Maps ``[N, C, h, w]`` of a layer's own activations, without class tokens; the same object if they are maps.

        Layers without positions keep their activations.
        """
        if self.kind == "channels last":
            return output.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            return output[:, self.class_tokens :].transpose(1, 2).unflatten(2, self.grid)
        return output

    def output(self, maps: Tensor, class_tokens: Tensor | None = None) -> Tensor:
        """The layer's own activations of maps ``[N, C, h, w]``.

        Args:
            maps: ``[N, C, h, w]``.
            class_tokens: ``[N, t, C]``, as :meth:`class_tokens_of` gives them; for layers that have some.

        Example:
            >>> layout = Layout("tokens", class_tokens=1, grid=(1, 2))
            >>> tokens = torch.arange(6.0).reshape(1, 3, 2)
            >>> torch.equal(layout.output(layout.maps(tokens), layout.class_tokens_of(tokens)), tokens)
            True
        """
        if self.kind == "channels last":
            return maps.permute(0, 2, 3, 1)
        if self.kind != "tokens":
            return maps
        patches = maps.flatten(2).transpose(1, 2)
        return patches if class_tokens is None else torch.cat([class_tokens.to(patches), patches], dim=1)

    def class_tokens_of(self, output: Tensor) -> Tensor:
        """Class tokens ``[N, t, C]`` of the activations of a token layer."""
        return output[:, : self.class_tokens]

    def __str__(self) -> str:
        if not self.class_tokens:
            return self.kind
        return f"{self.kind}, {self.class_tokens} class token{'s' * (self.class_tokens > 1)}"


CHANNELS_FIRST = Layout("channels first")
CHANNELS_LAST = Layout("channels last")
VECTORS = Layout("vectors")


def needs_class_tokens(layer: str, layout: Layout) -> str:
    """Why the network after a layer cannot be run on maps alone, and what to choose instead."""
    return (
        f"layer {layer!r} has the layout {str(layout)!r}: the network after it needs the class token beside the maps, "
        "so it cannot be run on maps alone. Attribution, components, prototypes, contrasts, concept vectors, class "
        "activation maps and factorizations work here; for counterfactuals choose a layer without class token, such as "
        "the output of the first convolution"
    )


def layout_of(
    prefix: Callable[[Tensor], Tensor], images: Tensor, output: Tensor, module_layout: Layout | None = None
) -> Layout:
    """The layout of a layer: what its modules or its shape tell, or else what is measured.

    Args:
        prefix: from images to the layer's own activations.
        images: ``[N, C, H, W]``; they give size, device and number format.
        output: the layer's own activations of the images.
        module_layout: what the modules tell; ``None`` if they tell nothing.

    Raises:
        LayerError: it is not known; the message says why.

    Example:
        >>> images = torch.zeros(1, 3, 8, 8)
        >>> str(layout_of(lambda pictures: pictures.permute(0, 2, 3, 1), images, images.permute(0, 2, 3, 1)))
        'channels last'
    """
    if images.ndim != 4:
        return VECTORS
    size = tuple(images.shape[2:])
    layout = without_measuring(output.shape, module_layout, size)
    if layout is not None:
        return layout
    pictures, places = spots(size, images.shape[1], images)
    with torch.no_grad():
        parts = [prefix(batch) for batch in pictures.split(len(places) // 2)]
    return measured(torch.cat(parts), places, size)


def without_measuring(shape: Sequence[int], layout: Layout | None, size: Sequence[int]) -> Layout | None:
    """The layout of a layer, if its shape decides.

    Args:
        shape: of its activations, the number of images first.
        layout: what the modules say; ``None`` if they say nothing. The grid of tokens is filled in here.
        size: height and width of the pictures.

    Returns:
        The layout, or ``None`` if it has to be measured.

    Raises:
        LayerError: the tokens cannot be a grid.

    Example:
        >>> without_measuring([1, 50, 768], Layout("tokens", class_tokens=1), (224, 224)).grid
        (7, 7)
        >>> without_measuring([1, 64, 1, 1], None, (8, 8)).kind, without_measuring([1, 64], None, (8, 8)).kind
        ('channels first', 'vectors')
        >>> without_measuring([1, 7, 7, 64], None, (224, 224))
    """
    if len(shape) not in (3, 4):
        return VECTORS
    if len(shape) == 3:
        grids = dict(_grids(shape[1], size))
        if layout is not None and layout.kind == "tokens" and layout.class_tokens in grids:
            return replace(layout, grid=grids[layout.class_tokens])
        if not grids:
            raise LayerError(_no_grid(shape[1], size))
        return None
    if layout is not None and layout.kind != "tokens":
        return layout
    # A single position needs no order.
    if tuple(shape[2:]) == (1, 1):
        return CHANNELS_FIRST
    return CHANNELS_LAST if tuple(shape[1:3]) == (1, 1) else None


def _grids(tokens: int, size: Sequence[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Numbers of class tokens that leave a grid in the proportion of the picture, with that grid."""
    height, width = size
    for class_tokens in range(min(MOST_CLASS_TOKENS, tokens - 1) + 1):
        patches = tokens - class_tokens
        rows = round((patches * height / width) ** 0.5)
        columns = patches // max(rows, 1)
        if rows * columns == patches and rows * width == columns * height:
            yield class_tokens, (rows, columns)


def _no_grid(tokens: int, size: Sequence[int]) -> str:
    wanted = "a square number" if size[0] == size[1] else f"h·w with h:w as in the picture, {size[0]}:{size[1]}"
    return (
        f"its {tokens} tokens are not the positions of a grid: neither {tokens} nor {tokens} less 1 to "
        f"{MOST_CLASS_TOKENS} class tokens is {wanted}"
    )


def spots(size: Sequence[int], channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """A picture of noise, and the same picture with a bright spot and with a dark one at each of 16 places.

    Args:
        size: height and width.
        channels: of the pictures.
        like: gives device and number format.

    Returns:
        ``[1 + 2 P, channels, H, W]``: the picture without a spot, with bright ones, with dark ones; and the places
        ``[P, 2]``, row and column from 0 to 1.

    Example:
        >>> pictures, places = spots((8, 8), 3, torch.zeros(()))
        >>> pictures.shape, places.shape
        (torch.Size([33, 3, 8, 8]), torch.Size([16, 2]))
    """
    height, width = size
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(channels, height, width, generator=generator)
    # A spot in every cell of a grid, somewhere in it: regular places could coincide with windows of the network.
    cells = torch.cartesian_prod(torch.arange(_PLACES), torch.arange(_PLACES))
    places = (cells + torch.rand(cells.shape, generator=generator)) / _PLACES
    side = max(1, round(min(height, width) / (2 * _PLACES)))
    corners = (places * (torch.tensor([height, width]) - side + 1)).long()
    pictures = picture.repeat(1 + 2 * len(places), 1, 1, 1)
    for number, (top, left) in enumerate(corners.tolist(), start=1):
        spot = (..., slice(top, top + side), slice(left, left + side))
        pictures[number][spot] += _BRIGHTER
        pictures[number + len(places)][spot] -= _BRIGHTER
    return pictures.to(like.device, like.dtype), places


def measured(output: Tensor, places: Tensor, size: Sequence[int]) -> Layout:
    r"""The layout of activations whose modules do not tell it: does what a spot changes move with the spot?

    .. math::
        d_p = (a_p^+ - a)^2 + (a_p^- - a)^2, \qquad
        r_p(i) = \frac{\sum_{\text{other axes}} d_p}{\sum d_p}, \qquad
        c_p = \sum_i i \, r_p(i), \qquad
        \rho = \mathrm{corr}_p(c_p, \mathrm{row}_p)

    An axis is the axis of rows if :math:`\rho \ge 0.8` and its correlation with the columns of the spots is at most 0.6
    in size, and the other way round. Places where nothing changes are left out, at most half of them. Tokens are first
    folded into a grid, for every number of class tokens that leaves one.

    Args:
        output: ``[1 + 2 P, …]`` activations of the pictures of :func:`spots`, with three or four axes.
        places: ``[P, 2]``.
        size: height and width of the pictures.

    Returns:
        The only layout in which rows and columns follow the spot.

    Raises:
        LayerError: there is none, or more than one; the message says which.

    Source: ours.

    Example:
        >>> pictures, places = spots((8, 8), 3, torch.zeros(()))
        >>> measured(pictures, places, (8, 8)).kind, measured(pictures.permute(0, 2, 3, 1), places, (8, 8)).kind
        ('channels first', 'channels last')
        >>> str(measured(pictures.flatten(2).transpose(1, 2), places, (8, 8)))
        'tokens'
    """
    if not output.isfinite().all():
        raise LayerError("its values are not finite on a picture of noise")
    output = output.detach().double()
    bright, dark = (output[1:] - output[:1]).square().chunk(2)
    change = bright + dark
    if output.ndim == 4:
        candidates = [CHANNELS_FIRST, CHANNELS_LAST]
    else:
        candidates = [
            Layout("tokens", class_tokens=number, grid=grid) for number, grid in _grids(output.shape[1], size)
        ]
        if not candidates:
            raise LayerError(_no_grid(output.shape[1], size))
    fitting = [layout for layout in candidates if _follows(layout.maps(change), places.to(change))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise LayerError(f"it could be read as {' or as '.join(map(str, fitting))}")
    raise LayerError("what a spot in the picture changes there does not move with the spot along rows and columns")


def _follows(change: Tensor, places: Tensor) -> bool:
    """Whether squared changes ``[P, C, h, w]`` move down with the rows of the spots, and across with their columns."""
    by_position = change.sum(1)
    total = by_position.sum((1, 2))
    # A ReLU may hide a spot.
    seen = total > 0
    if int(seen.sum()) < len(seen) / 2:
        return False
    by_position = by_position[seen]
    total = total[seen]
    places = places[seen]
    for axis in (0, 1):
        profile = by_position.sum(2 - axis) / total[:, None]
        centre = (profile * torch.arange(profile.shape[1]).to(profile)).sum(1)
        if bool(centre.std() == 0):
            return False
        correlations = [float(torch.corrcoef(torch.stack([centre, place]))[0, 1]) for place in places.T]
        if correlations[axis] < FOLLOWS or abs(correlations[1 - axis]) > IGNORES:
            return False
    return True
