r"""Which candidates of a class's components are combined: each is compared in its place in the combined image.

Patches that are put together are seen together: the network's first part makes something of their borders and of the
whole. So the combined image starts with the most similar patches, and component by component every candidate is put
into the component's place while the others stay. The one with the highest score is taken:

.. math:: \cos\Big(\frac{1}{k} \sum_j v_j, \; \frac{1}{|P|} \sum_{y x} \mathrm{prefix}(\text{combined})_{y x}\Big)
          + \frac{1}{k} \sum_j s'_j

with ``v_j`` what is searched for (:class:`~conceptrast.concepts.class_prototypes.Sought`) and ``s'_j`` the similarity
of the patch that is in place ``j`` (:mod:`conceptrast.concepts.crop_similarity`). The network's last part takes no part
in it: what is taken depends on similarities alone. Coordinate ascent over the places, one round; ours.

A mean over positions says what the rest of the network reads only where that reads them linearly. So it is done for
classes whose channels were weighted; for others the most similar patches are combined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from conceptrast.concepts.class_prototypes import Sought
from conceptrast.concepts.combined_image import assemble, chosen_patches
from conceptrast.concepts.crop_similarity import cut_out, mean_activations, patches_of, ranked_by_crops
from conceptrast.concepts.recipes import Recipe
from conceptrast.models.pictures import Pictures
from conceptrast.models.split import SplitModel

SETS_AT_ONCE = 8
"""The candidates of so many sets of components are in memory together."""


def exchanged(
    candidates: pd.DataFrame,
    crops: Sequence[Tensor],
    recipe: Recipe,
    similarities: Callable[[list[Tensor]], np.ndarray],
) -> list[int]:
    """The candidates that are taken: one for each component that has any left.

    Args:
        candidates: of one class and selection: component, rank, image, similarity; in the order of rank.
        crops: ``[3, h, w]`` uint8, the patch of each row.
        recipe: its layout, and whether images must be distinct.
        similarities: of combined images ``[3, H, W]`` with what is searched for, ``[n]``.

    Returns:
        Row numbers in ``candidates``, in the order of components.

    Example:
        >>> table = pd.DataFrame({"component": [0, 0, 1, 1], "rank": [0, 1, 0, 1], "image": [1, 2, 3, 4],
        ...                       "similarity": [0.5, 0.4, 0.5, 0.4]})
        >>> crops = [torch.full((3, 1, 1), shade, dtype=torch.uint8) for shade in (0, 200, 200, 0)]
        >>> bright = lambda pictures: np.array([float(picture.float().mean()) for picture in pictures])
        >>> exchanged(table, crops, Recipe("ours", 2, layout="grid"), bright)
        [1, 2]
    """
    candidates = candidates.reset_index(drop=True)
    start = chosen_patches(candidates, recipe.distinct)
    taken = dict(zip(start["component"].tolist(), start.index.tolist(), strict=True))
    share = candidates["similarity"].to_numpy(float) / max(len(taken), 1)
    for component in taken:
        others = [place for other, place in taken.items() if other != component]
        free = candidates["component"] == component
        if recipe.distinct:
            free &= ~candidates["image"].isin(candidates["image"].iloc[others])
        places = np.flatnonzero(free)
        combined = [
            assemble(torch.stack([crops[place] for place in (taken | {component: candidate}).values()]), recipe.layout)
            for candidate in places.tolist()
        ]
        taken[component] = int(places[np.argmax(similarities(combined) + share[places])])
    return list(taken.values())


def compared_again(
    prototypes: pd.DataFrame,
    numbers: np.ndarray,
    recipe: Recipe,
    vectors: Sought,
    *,
    pictures: Pictures,
    split: SplitModel,
    precision: str = "float32",
) -> pd.DataFrame:
    """The candidates of every set: first the one that is combined, then the others in the order of similarity.

    Args:
        prototypes: of one recipe: component, selection, rank, image, box and similarity.
        numbers: ``[n]`` the set of each row, its row number in ``vectors``.
        recipe: the recipe; patches beyond its ``candidates`` are left out.
        vectors: what was searched for.
        pictures: images and model.
        split: the model, cut at the layer.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        The rows of rank below ``candidates`` with new ranks and similarities. A component that has no patch of an image
        of its own has no rank 0.

    Raises:
        ModelError: the network takes no picture of a patch's or of the combined image's size.
    """
    prototypes = prototypes.reset_index(drop=True)
    split = split.for_inference(precision)  # once, not for each set of candidates
    rows = ranked_by_crops(prototypes, numbers, recipe, vectors, pictures=pictures, split=split, precision=precision)
    number_of = numbers[rows.index]
    in_place = np.zeros(len(vectors.vectors), bool) if vectors.by_channel is None else vectors.by_channel
    middle = vectors.middle

    def similarities(combined: list[Tensor], number: int) -> np.ndarray:
        means = mean_activations(combined, recipe, pictures=pictures, split=split, precision=precision)
        return middle.cosines(means, np.full(len(means), number), np.zeros(len(means), np.int64))

    taken: list[int] = []
    sets = np.unique(number_of)
    for start in range(0, len(sets), SETS_AT_ONCE):
        together = sets[start : start + SETS_AT_ONCE]
        patches = rows[np.isin(number_of, together[in_place[together]])]
        crops = {patch: pixels.clone() for cut in cut_out(patches, pictures) for patch, pixels in cut.items()}
        for number in together.tolist():
            for _, group in rows[number_of == number].groupby("selection", sort=False):
                if in_place[number]:
                    pixels = [crops[patch] for patch in patches_of(group)]
                    places = exchanged(group, pixels, recipe, partial(similarities, number=number))
                    taken += group.index[places].tolist()
                else:
                    taken += chosen_patches(group, recipe.distinct).index.tolist()
    return _taken_first(rows, rows.index.isin(taken), number_of)


def _taken_first(rows: pd.DataFrame, taken: np.ndarray, numbers: np.ndarray) -> pd.DataFrame:
    """Candidates with the one that is taken at rank 0 and the others after it; without one, ranks start at 1."""
    keys = [pd.Series(numbers, index=rows.index), rows["component"], rows["selection"]]
    places = pd.Series(np.arange(len(rows)), index=rows.index)
    later = pd.Series(np.where(taken, 0, 1), index=rows.index)
    rows = rows.assign(rank=later.groupby(keys).cumsum().where(~taken, 0), first=places.groupby(keys).transform("min"))
    return rows.sort_values(["first", "rank"]).drop(columns="first")


def class_candidates(
    prototypes: pd.DataFrame,
    classes: np.ndarray,
    vectors: Mapping[Recipe, Sought],
    *,
    pictures: Pictures,
    split: SplitModel,
    precision: str = "float32",
) -> pd.DataFrame:
    """Prototypes of all classes; those of recipes with ``candidates`` as :func:`compared_again` gives them.

    Args:
        prototypes: as :func:`~conceptrast.concepts.class_prototypes.class_prototypes` gives.
        classes: ``[K]``, rising.
        vectors: what each recipe searched for.
        pictures: images and model.
        split: the model, cut at the layer.
        precision: ``float32`` or ``bfloat16``.
    """
    parts = []
    for recipe, of_classes in vectors.items():
        of_recipe = prototypes[prototypes["recipe"] == recipe.name]
        if recipe.candidates and len(of_recipe):
            numbers = np.searchsorted(classes, of_recipe["class"])
            of_recipe = compared_again(
                of_recipe, numbers, recipe, vectors=of_classes, pictures=pictures, split=split, precision=precision
            )
        parts.append(of_recipe)
    return pd.concat(parts, ignore_index=True)
