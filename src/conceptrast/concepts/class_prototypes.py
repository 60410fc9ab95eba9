"""Prototypes of all classes by all recipes: the nearest patches with their boxes, in one pass over the images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.concepts.patches import BOX, PatchGeometry, pool
from conceptrast.concepts.prototype_search import SELECTIONS, PatchSearch
from conceptrast.concepts.recipes import Recipe
from conceptrast.concepts.whitening import Whitening


class Sought(NamedTuple):
    """What patches are searched for.

    Notation: ``K`` sets of ``k`` vectors each; a set belongs to a class.
    """

    vectors: np.ndarray
    """``[K, k, C]``."""
    weights: np.ndarray | None = None
    """``[K, C]`` with which the activations are multiplied before they are compared with the vectors of a set."""
    whitening: Whitening | None = None
    """What activations go through before they are compared; the vectors have gone through it."""
    by_channel: np.ndarray | None = None
    """``[K]`` bool, sets whose factorization weighed channels; known where a recipe has candidates."""

    @property
    def middle(self) -> Sought:
        """The mean vector of each set, with which a picture of all its components is compared.

        Example:
            >>> Sought(np.array([[[1.0, 0.0], [0.0, 2.0]]])).middle.vectors.tolist()
            [[[0.5, 1.0]]]
        """
        return self._replace(vectors=self.vectors.mean(axis=1, keepdims=True))

    def cosines(self, activations: Tensor, numbers: np.ndarray, components: np.ndarray) -> np.ndarray:
        """Cosines of single activations with single vectors.

        Args:
            activations: ``[n, C]``.
            numbers: ``[n]`` the set of each vector.
            components: ``[n]`` its place in the set.

        Example:
            >>> vectors = np.array([[[1.0, 0.0], [0.0, 2.0]]])
            >>> Sought(vectors).cosines(torch.tensor([[3.0, 4.0]]), np.array([0]), np.array([1]))
            array([0.8], dtype=float32)
        """
        vectors = torch.from_numpy(self.vectors[numbers, components]).double()
        values = activations.double()
        if self.weights is not None:
            values = values * torch.from_numpy(self.weights[numbers]).double()
        if self.whitening is not None:
            values = self.whitening.maps(activations[:, :, None, None])[:, :, 0, 0].double()
        cosines: np.ndarray = torch.cosine_similarity(values, vectors, dim=1).float().numpy()
        return cosines


def sought(recipe: Recipe, sets: Mapping[str, np.ndarray], whitening: Whitening | None) -> Sought:
    r"""What a recipe searches for, by its ``similarity``.

    .. math::
        \text{component:}\; \cos(h, a), \qquad \text{weighted:}\; \cos(h, m \odot a), \qquad
        \text{whitened:}\; \cos(T(p - \mu), T(a - \mu))

    Args:
        recipe: the recipe.
        sets: components_<factors>, patterns_<factors> and weights_<factors>, as
            :func:`conceptrast.concepts.class_factorization.factorize_classes` gives: ``h``, ``p`` and ``m``.
        whitening: ``T`` and ``μ``; needed for ``whitened``.

    Source: ``component`` is published; the others are ours.
    """
    key = recipe.factors.key
    by_channel = (sets[f"weights_{key}"] != 1).any(axis=1) if recipe.candidates else None
    if recipe.similarity == "whitened" and whitening is not None:
        return Sought(whitening.vectors(sets[f"patterns_{key}"]), whitening=whitening, by_channel=by_channel)
    weights = sets[f"weights_{key}"] if recipe.similarity == "weighted" else None
    return Sought(sets[f"components_{key}"], weights=weights, by_channel=by_channel)


def class_prototypes(
    batches: Iterable[tuple[np.ndarray, Tensor]],
    predicted: Mapping[int, int],
    classes: np.ndarray,
    vectors: Mapping[Recipe, Sought],
    view: tuple[int, int],
    rectify: bool = False,
    k: int = 16,
) -> pd.DataFrame:
    """Prototypes of all classes by all recipes, in one pass over the images.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        predicted: predicted class by image id.
        classes: ``[K]``.
        vectors: what each recipe searches for, a set for each class (:func:`sought`). Recipes also say how to pool
            activations and cut patches.
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
    prototypes = set_prototypes(
        batches, predicted=predicted, owners=classes, components=vectors, view=view, rectify=rectify, k=k
    )
    prototypes.insert(0, "class", classes[prototypes.pop("set").to_numpy()])
    return prototypes


class _Search(NamedTuple):
    """A search, and the weights ``[C, 1, 1]`` by which activations are multiplied before they are compared."""

    weights: Tensor | None
    search: PatchSearch


def set_prototypes(
    batches: Iterable[tuple[np.ndarray, Tensor]],
    predicted: Mapping[int, int],
    owners: np.ndarray,
    components: Mapping[Recipe, Sought],
    view: tuple[int, int],
    rectify: bool = False,
    k: int = 16,
) -> pd.DataFrame:
    """Prototypes of several sets of components by several recipes, in one pass over the images.

    Args:
        batches: pairs of image ids ``[n]`` and activations ``[n, C, h, w]``.
        predicted: predicted class by image id.
        owners: ``[K]`` the class of each set. The selection ``exclude_target`` leaves out the images of this class.
        components: what each recipe searches for.
        view: ``(H, W)`` of the views in pixels.
        rectify: whether negative activations are set to zero.
        k: the number of ranks that are kept; a recipe with more components keeps as many as it has components.

    Returns:
        Columns set (row number in ``owners``), recipe, component, selection, rank, image, top, left, height, width,
        similarity; no rows without sets.

    Raises:
        ShapeError: a recipe's pooling does not fit the activations.
    """
    # One search for each recipe, for the components of all sets together; one for each set with weights of its own.
    searches = {recipe: _searches(recipe, vectors, owners, k) for recipe, vectors in components.items()}

    # One pass over the images.
    grid = (0, 0)
    for images, activations in batches:
        grid = (activations.shape[2], activations.shape[3])
        values = activations.clamp(min=0) if rectify else activations
        targets = np.array([predicted[int(image)] for image in images])
        for recipe, several in searches.items():
            pooled = pool(values, recipe.kernel, recipe.stride)
            compared = pooled if (whitening := components[recipe].whitening) is None else whitening.maps(pooled)
            for weights, search in several if len(owners) else ():
                search.update(images, compared if weights is None else compared * weights, targets)
    return pd.concat(
        [
            _placed(recipe, several, n_components=components[recipe].vectors.shape[1], view=view, grid=grid)
            for recipe, several in searches.items()
        ]
    )


def _searches(recipe: Recipe, vectors: Sought, owners: np.ndarray, k: int) -> list[_Search]:
    """The searches of a recipe."""
    n_sets, n_components, channels = vectors.vectors.shape
    weights = vectors.weights
    together = weights is None or not n_sets
    parts = [slice(0, n_sets)] if together else [slice(number, number + 1) for number in range(n_sets)]
    searches = []
    for part in parts:
        search = PatchSearch(
            vectors.vectors[part].reshape((part.stop - part.start) * n_components, channels),
            k=max(k, n_components, recipe.candidates),
            classes=np.repeat(owners[part], n_components),
            distinct=recipe.distinct,
        )
        of_channels = None if weights is None or together else torch.from_numpy(weights[part.start]).float()
        searches.append(_Search(None if of_channels is None else of_channels[:, None, None], search))
    return searches


def _placed(
    recipe: Recipe, searches: Sequence[_Search], n_components: int, view: tuple[int, int], grid: tuple[int, int]
) -> pd.DataFrame:
    """Results of a recipe's searches with the set of each component and the box of each patch."""
    results = [search.result() for _, search in searches]
    patches = pd.concat(
        [result.assign(component=result["component"] + n_components * number) for number, result in enumerate(results)]
    ).sort_values("selection", kind="stable", key=lambda column: column.map(SELECTIONS.index))
    patches = patches.reset_index(drop=True)
    owner, component = np.divmod(patches["component"].to_numpy(), max(n_components, 1))
    geometry = PatchGeometry(
        view=view, activations=grid, kernel=recipe.kernel, stride=recipe.stride, window=recipe.window
    )
    boxes = geometry.boxes(patches["row"].to_numpy(), patches["column"].to_numpy())
    columns = {"set": owner, "recipe": recipe.name, "component": component}
    placed = patches[["selection", "rank", "image"]].assign(**dict(zip(BOX, boxes.T, strict=True)))
    return pd.concat([pd.DataFrame(columns, index=patches.index), placed, patches[["similarity"]]], axis=1)
