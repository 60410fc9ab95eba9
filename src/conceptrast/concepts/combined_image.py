"""The combined image of a class: which patches of its components are put together, and how."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.base.errors import ShapeError
from conceptrast.concepts.recipes import Recipe


def chosen_patches(prototypes: pd.DataFrame, distinct: bool = False) -> pd.DataFrame:
    """One patch of each component.

    Each component gets its best patch. If the images must be distinct, pairs of component and patch are taken in the
    order of their similarity. A pair is passed over if its image or its component is already taken. Ties go to the
    lower component, then the lower rank.

    Args:
        prototypes: the prototypes of one class, recipe and selection: component, rank, image, similarity and boxes.
        distinct: whether no two patches may come from one image.

    Returns:
        Rows of ``prototypes`` in the order of components. A component whose images are all taken is left out.

    Example:
        >>> table = pd.DataFrame({"component": [0, 0, 1, 1], "rank": [0, 1, 0, 1], "image": [7, 8, 7, 9],
        ...                       "similarity": [0.8, 0.7, 0.9, 0.6]})
        >>> chosen_patches(table)["image"].tolist(), chosen_patches(table, distinct=True)["image"].tolist()
        ([7, 7], [8, 7])
    """
    if not distinct:
        return prototypes[prototypes["rank"] == 0].sort_values("component")
    order = prototypes.sort_values(["similarity", "component", "rank"], ascending=[False, True, True])
    components = set()
    images = set()
    places = []
    for place, component, image in zip(order.index, order["component"], order["image"], strict=True):
        if component not in components and image not in images:
            components.add(component)
            images.add(image)
            places.append(place)
    return order.loc[places].sort_values("component")


def combined_patches(prototypes: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The patches that a recipe combines: those of rank 0 where candidates were compared in place, as
    :func:`~conceptrast.concepts.exchange.compared_again` puts them; :func:`chosen_patches` elsewhere.

    Args:
        prototypes: the prototypes of one class, recipe and selection.
        recipe: the recipe.

    Example:
        >>> table = pd.DataFrame({"component": [0, 0, 1], "rank": [0, 1, 0], "image": [7, 8, 9],
        ...                       "similarity": [0.7, 0.8, 0.9]})
        >>> combined_patches(table, Recipe("ours", 2, candidates=2, distinct=True))["image"].tolist()
        [7, 9]
    """
    return chosen_patches(prototypes, recipe.distinct and not recipe.candidates)


def grid_shape(k: int) -> tuple[int, int]:
    """Rows and columns of the grid for ``k`` patches. It is nearly square, never wider than high, and has no empty row.

    Example:
        >>> [grid_shape(k) for k in (1, 4, 6, 7, 9)]
        [(1, 1), (2, 2), (3, 2), (3, 3), (3, 3)]
    """
    rows = int(np.ceil(np.sqrt(k)))
    return rows, -(-k // rows)


def assemble(patches: Tensor, layout: str) -> Tensor:
    """Put patches together into one image.

    Args:
        patches: ``[k, 3, h, w]`` uint8.
        layout: ``"strip"`` puts the patches under each other, ``[3, k h, w]``; ``"grid"`` puts them row by row into the
            shape of :func:`grid_shape` and fills empty places with the mean colour of the patches.

    Returns:
        ``[3, H', W']`` uint8.

    Raises:
        ShapeError: ``patches`` is not ``[k, 3, h, w]`` with at least one patch.

    Source: the strip is the published layout; the grid is ours.

    Example:
        >>> patches = torch.arange(2, dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 3, 1, 2)
        >>> assemble(patches, "strip")[0]
        tensor([[0, 0],
                [1, 1]], dtype=torch.uint8)
    """
    if patches.ndim != 4 or not len(patches):
        raise ShapeError(f"patches must be [k, 3, h, w] with at least one patch, got {list(patches.shape)}")
    rows, columns = (len(patches), 1) if layout == "strip" else grid_shape(len(patches))
    colour = patches.double().mean(dim=(0, 2, 3)).round().to(patches.dtype)
    filling = colour[None, :, None, None].expand(rows * columns - len(patches), -1, *patches.shape[2:])
    tiles = torch.cat([patches, filling]).unflatten(0, (rows, columns))
    # From [row, column, channel, y, x] to [channel, row, y, column, x].
    return tiles.permute((2, 0, 3, 1, 4)).flatten(3, 4).flatten(1, 2)
