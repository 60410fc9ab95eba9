"""Known truth of importance: do components that hold a true concept of the class carry more than those of texture?

This test needs a dataset whose truth is known, see :mod:`conceptrast.concepts.recovery`. A component *holds* things if
enough of its best patches do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from conceptrast.base.names import ALL_CLASSES
from conceptrast.base.statistics import bootstrap_intervals
from conceptrast.concepts.recovery import HITS, best_patches, contents, true_concepts

TRUE = "true"
OTHER = "other"
TEXTURE = "texture"

COLUMNS = (
    *("recipe", "class_name", "status", "reason", "n_images", "n_true", "n_texture", "n_other"),
    *("true", "true_low", "true_high", "texture", "texture_low", "texture_high"),
    *("difference", "difference_low", "difference_high"),
)


def component_kinds(prototypes: pd.DataFrame, index: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """What each component holds.

    Args:
        prototypes: as :func:`conceptrast.concepts.class_prototypes.class_prototypes` gives; boxes in pixels of the
            picture.
        index: image, label, label_name of the pictures.
        truth: image, concept, top, left, height, width, faint.

    Returns:
        class, recipe, component, kind: ``true`` if at least :data:`~conceptrast.concepts.recovery.HITS` of its best
        patches, none from the class's images, hold a true concept of the class; else ``other`` if as many hold anything
        that is known (a concept of another class, a planted thing), there or among its best patches of all images; else
        ``texture``.
    """
    keys = ["class", "recipe", "component"]
    concepts = true_concepts(index, truth)
    patches = best_patches(prototypes, truth)
    held = contents(patches, truth, sorted(set(truth["concept"]))).merge(
        patches[["class"]], left_on="patch", right_index=True
    )
    pairs = zip(held["class"], held["concept"], strict=True)
    of_class = np.array([concept in concepts.get(target, []) for target, concept in pairs], dtype=bool)
    counted = patches[keys].assign(
        true=patches.index.isin(held.loc[of_class, "patch"]), known=patches.index.isin(held["patch"])
    )
    hits = counted.groupby(keys, sort=False)[["true", "known"]].sum()
    # What was planted in a class is hardly in pictures of others.
    of_all = best_patches(prototypes, truth, selection="all")
    known = of_all.index.isin(contents(of_all, truth, sorted(set(truth["concept"])))["patch"])
    hits_of_all = of_all[keys].assign(known=known).groupby(keys, sort=False)["known"].sum()
    anything = (hits["known"] >= HITS) | (hits_of_all.reindex(hits.index).fillna(0) >= HITS)
    kinds = np.select([hits["true"] >= HITS, anything], [TRUE, OTHER], TEXTURE)
    return hits.reset_index()[keys].assign(kind=kinds)


def importance_truth(importance: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """What the class's logit loses without a component that holds a true concept, and without one of texture.

    Args:
        importance: class, class_name, recipe, image, component, logit_drop.
        kinds: as :func:`component_kinds` gives.

    Returns:
        :data:`COLUMNS`, a row for each recipe and class, and one for all classes of a recipe: numbers of components of
        each kind, mean drops of the logit, and their difference, each with a 95 % bootstrap interval over images. A
        class that lacks one of both kinds is skipped, with the reason.

    Example:
        >>> importance = pd.DataFrame({"class": 0, "class_name": "3+7", "recipe": "ours", "image": [3, 3],
        ...     "component": [0, 1], "logit_drop": [4.0, 1.0]})
        >>> kinds = pd.DataFrame({"class": 0, "recipe": "ours", "component": [0, 1], "kind": ["true", "texture"]})
        >>> importance_truth(importance, kinds)[["class_name", "true", "texture", "difference"]]
            class_name  true  texture  difference
        0          3+7   4.0      1.0         3.0
        1  all classes   4.0      1.0         3.0
    """
    # A component without patches outside its class has no kind.
    joined = importance.merge(kinds, on=["class", "recipe", "component"], how="left")
    counts = kinds.groupby(["recipe", "class", "kind"]).size()
    rows: list[dict[str, object]] = []
    for recipe, of_recipe in joined.groupby("recipe", sort=False):
        drops = []
        totals = dict.fromkeys((TRUE, TEXTURE, OTHER), 0)
        for (target, name), of_class in of_recipe.groupby(["class", "class_name"], sort=False):
            numbers = {kind: int(counts.get((recipe, target, kind), 0)) for kind in totals}
            totals = {kind: totals[kind] + number for kind, number in numbers.items()}
            both = None
            if numbers[TRUE] and numbers[TEXTURE]:
                means = of_class.groupby(["kind", "image"])["logit_drop"].mean()
                both = np.column_stack([means.loc[kind].to_numpy() for kind in (TRUE, TEXTURE)])
                drops.append(both)
            rows.append(_row(str(recipe), str(name), numbers, both))
        of_all = np.concatenate(drops) if drops else None
        rows.append(_row(str(recipe), ALL_CLASSES, totals, of_all))
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def _row(recipe: str, name: str, numbers: Mapping[str, int], drops: np.ndarray | None) -> dict[str, object]:
    """A row of the table; ``drops`` are those of true concepts and of texture ``[n, 2]``."""
    row: dict[str, object] = {"recipe": recipe, "class_name": name}
    row |= {f"n_{kind}": number for kind, number in numbers.items()}
    if drops is None:
        lacking = "holds a true concept" if not numbers[TRUE] else "holds texture alone"
        of = "classes with both kinds of component" if name == ALL_CLASSES else f"component {lacking}"
        return row | {"status": "skipped", "reason": f"no {of}", "n_images": 0}
    values = np.column_stack([drops, drops[:, 0] - drops[:, 1]])
    low, high = bootstrap_intervals(values)
    row |= {"status": "ok", "reason": "", "n_images": len(values)}
    for place, column in enumerate((TRUE, TEXTURE, "difference")):
        row |= {column: values[:, place].mean(), f"{column}_low": low[place], f"{column}_high": high[place]}
    return row
