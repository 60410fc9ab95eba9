"""Prototypes of all classes by all recipes: the nearest patches with their boxes, in one pass over the images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.concepts.patches import BOX, PatchGeometry, pool
from conceptrast.concepts.prototype_search import PatchSearch
from conceptrast.concepts.recipes import Recipe


def class_prototypes(
    batches: Iterable[tuple[np.ndarray, Tensor]],
    predicted: Mapping[int, int],
    components: Mapping[str, np.ndarray],
    recipes: Sequence[Recipe],
    view: tuple[int, int],
    rectify: bool = False,
    k: int = 16,
) -> pd.DataFrame:
    """Prototypes of all classes by all recipes, in one pass over the images.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        predicted: predicted class by image id.
        components: arrays classes ``[K]`` and components_<factors> ``[K, k, C]``, as
            :func:`conceptrast.concepts.class_factorization.factorize_classes` gives.
        recipes: the recipes, which say how to pool activations and cut patches.
        view: ``(H, W)`` of the views in pixels.
        rectify: whether negative activations are set to zero, as in the factorization.
        k: the number of ranks that are kept. A recipe with more components keeps as many as it has components, since
            distinct images may need them.

    Returns:
        Columns class, recipe, component, selection (``all`` or ``exclude_target``), rank, image, top, left, height,
        width (pixels of the view), similarity; no rows without classes.

    Raises:
        ShapeError: a recipe's pooling does not fit the activations.
    """
    classes = components["classes"]
    stacked = {recipe: components[f"components_{recipe.factors.key}"] for recipe in recipes}
    prototypes = set_prototypes(
        batches, predicted=predicted, owners=classes, components=stacked, view=view, rectify=rectify, k=k
    )
    prototypes.insert(0, "class", classes[prototypes.pop("set").to_numpy()])
    return prototypes


def set_prototypes(
    batches: Iterable[tuple[np.ndarray, Tensor]],
    predicted: Mapping[int, int],
    owners: np.ndarray,
    components: Mapping[Recipe, np.ndarray],
    view: tuple[int, int],
    rectify: bool = False,
    k: int = 16,
) -> pd.DataFrame:
    """Prototypes of several sets of components by several recipes, in one pass over the images.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        predicted: predicted class by image id.
        owners: ``[K]`` the class of each set. The selection ``exclude_target`` leaves out the images of this class.
        components: ``[K, k, C]`` by recipe.
        view: ``(H, W)`` of the views in pixels.
        rectify: whether negative activations are set to zero.
        k: the number of ranks that are kept; a recipe with more components keeps as many as it has components.

    Returns:
        Columns set (row number in ``owners``), recipe, component, selection, rank, image, top, left, height, width,
        similarity; no rows without sets.

    Raises:
        ShapeError: a recipe's pooling does not fit the activations.
    """
    # One search for each recipe, for the components of all sets together.
    searches = {
        recipe: PatchSearch(
            stacked.reshape(len(stacked) * stacked.shape[1], stacked.shape[2]),
            k=max(k, stacked.shape[1]),
            classes=np.repeat(owners, stacked.shape[1]),
            distinct=recipe.distinct,
        )
        for recipe, stacked in components.items()
    }

    # One pass over the images.
    grid = (0, 0)
    for images, activations in batches:
        grid = (activations.shape[2], activations.shape[3])
        values = activations.clamp(min=0) if rectify else activations
        targets = np.array([predicted[int(image)] for image in images])
        for recipe, search in searches.items():
            if len(owners):
                search.update(images, pool(values, recipe.kernel, recipe.stride), targets)
    return pd.concat(
        [
            _placed(recipe, search, n_components=components[recipe].shape[1], view=view, grid=grid)
            for recipe, search in searches.items()
        ]
    )


def _placed(
    recipe: Recipe, search: PatchSearch, n_components: int, view: tuple[int, int], grid: tuple[int, int]
) -> pd.DataFrame:
    """Result of a search with the set of each component and the box of each patch."""
    patches = search.result()
    owner, component = np.divmod(patches["component"].to_numpy(), max(n_components, 1))
    geometry = PatchGeometry(
        view=view, activations=grid, kernel=recipe.kernel, stride=recipe.stride, window=recipe.window
    )
    boxes = geometry.boxes(patches["row"].to_numpy(), patches["column"].to_numpy())
    columns = {"set": owner, "recipe": recipe.name, "component": component}
    placed = patches[["selection", "rank", "image"]].assign(**dict(zip(BOX, boxes.T, strict=True)))
    return pd.concat([pd.DataFrame(columns, index=patches.index), placed, patches[["similarity"]]], axis=1)
