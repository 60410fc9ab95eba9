"""Concept recovery: do the components of a class find the concepts that its pictures are known to show?

This test needs a dataset whose truth is known. A patch holds a concept if at least half of the area of one of the
concept's boxes lies inside the patch. A component finds a concept if enough of its best patches hold it. Patches from
pictures in which a concept is faint are left out before the best are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.errors import DataError
from conceptrast.base.statistics import wilson_interval

COUNTED_PATCHES = 8
"""Number of best patches of each component that count."""

HITS = 6
"""Number of patches that have to hold a concept, so that the component counts as finding it."""

OVERLAP = 0.5
"""A patch holds a box if at least this share of the box lies inside it."""


def covered(patches: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Share of each box's area that lies inside its patch.

    Args:
        patches: ``[n, 4]`` top, left, height, width in pixels.
        boxes: ``[n, 4]`` in the same form.

    Returns:
        ``[n]`` between 0 and 1.

    Example:
        >>> covered(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 10, 4]])).tolist()
        [0.5]
    """
    sides = [
        np.minimum(patches[:, at] + patches[:, at + 2], boxes[:, at] + boxes[:, at + 2])
        - np.maximum(patches[:, at], boxes[:, at])
        for at in (0, 1)
    ]
    return np.prod(np.clip(sides, 0, None), axis=0) / (boxes[:, 2] * boxes[:, 3])


def true_concepts(index: pd.DataFrame, truth: pd.DataFrame) -> dict[int, list[str]]:
    """The concepts of each class: the concepts that are in all its pictures.

    If the name of a class lists concepts of the truth (``3+7``), the class has no others. So a concept does not count
    if it is in all pictures of a small dataset by accident.

    Args:
        index: image, label, label_name.
        truth: image, concept.

    Example:
        >>> index = pd.DataFrame({"image": [0, 1], "label": [4, 4], "label_name": ["3+7", "3+7"]})
        >>> truth = pd.DataFrame({"image": [0, 0, 0, 1, 1], "concept": ["3", "7", "portrait", "3", "7"]})
        >>> true_concepts(index, truth)
        {4: ['3', '7']}
    """
    known = set(truth["concept"])
    concepts = {}
    for label in sorted(index["label"].unique()):
        pictures = index[index["label"] == label]
        inside = truth[truth["image"].isin(pictures["image"])]
        counts = inside.groupby("concept")["image"].nunique()
        named = set(str(pictures["label_name"].iloc[0]).split("+"))
        always = set(counts.index[counts == len(pictures)])
        concepts[int(label)] = sorted(always & named if named <= known else always)
    return concepts


def concepts_by_class(index: pd.DataFrame, truth: pd.DataFrame, names: Sequence[str]) -> dict[int, list[str]]:
    """True concepts by class of the model. Classes are matched by name. A class that the model lacks is left out.

    Args:
        index: image, label, label_name.
        truth: image, concept.
        names: the names of the model's classes.

    Example:
        >>> index = pd.DataFrame({"image": [0], "label": [4], "label_name": ["3+7"]})
        >>> truth = pd.DataFrame({"image": [0, 0], "concept": ["3", "7"]})
        >>> concepts_by_class(index, truth, ["0+1", "3+7"])
        {1: ['3', '7']}
    """
    name_of = dict(zip(index["label"].tolist(), index["label_name"].tolist(), strict=True))
    number_of = {name: number for number, name in enumerate(names)}
    known = {name_of[label]: concepts for label, concepts in true_concepts(index, truth).items()}
    return {number_of[name]: concepts for name, concepts in known.items() if name in number_of}


def best_patches(
    prototypes: pd.DataFrame, truth: pd.DataFrame, n: int = COUNTED_PATCHES, selection: str = "exclude_target"
) -> pd.DataFrame:
    """The ``n`` best patches of each component, from pictures without a faint concept.

    Args:
        prototypes: as :func:`conceptrast.concepts.class_prototypes.class_prototypes` gives.
        truth: image, faint.
        n: the number of patches of each component.
        selection: ``exclude_target``: none from the class's images; or ``all``.

    Returns:
        Rows of ``prototypes``, by class, recipe, component and rank.
    """
    faint = set(truth.loc[truth["faint"].astype(bool), "image"])
    kept = prototypes[(prototypes["selection"] == selection) & ~prototypes["image"].isin(faint)]
    kept = kept.sort_values(["class", "recipe", "component", "rank"], kind="stable")
    return kept.groupby(["class", "recipe", "component"], sort=False).head(n).reset_index(drop=True)


def contents(patches: pd.DataFrame, truth: pd.DataFrame, concepts: Sequence[str]) -> pd.DataFrame:
    """Every concept that a patch holds.

    Args:
        patches: image, top, left, height, width; the row number is the number of the patch.
        truth: image, concept, top, left, height, width.
        concepts: the concepts that count.

    Returns:
        patch, concept, covered (at least :data:`OVERLAP`), distance (pixels between the centres of patch and box).
    """
    boxes = truth[truth["concept"].isin(concepts)]
    pairs = patches.reset_index(names="patch").merge(boxes, on="image", suffixes=("", "_box"))
    places = pairs[["top", "left", "height", "width"]].to_numpy(float)
    targets = pairs[["top_box", "left_box", "height_box", "width_box"]].to_numpy(float)
    pairs["covered"] = covered(places, targets)
    gaps = places[:, :2] + places[:, 2:] / 2 - targets[:, :2] - targets[:, 2:] / 2
    pairs["distance"] = np.hypot(gaps[:, 0], gaps[:, 1])
    return pairs.loc[pairs["covered"] >= OVERLAP, ["patch", "concept", "covered", "distance"]]


def concept_recovery(
    prototypes: pd.DataFrame, index: pd.DataFrame, truth: pd.DataFrame, class_names: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say which true concepts the components of each class find, and how pure the components are.

    Args:
        prototypes: as :func:`conceptrast.concepts.class_prototypes.class_prototypes` gives; boxes in pixels of the
            picture.
        index: image, label, label_name of the pictures.
        truth: image, concept, top, left, height, width, faint.
        class_names: the names of the classes, by class index.

    Returns:
        Two tables. Recovery: class, class_name, recipe, concept, found (at least :data:`HITS` of the best patches of
        one component hold the concept), component (the component with most such patches; the first one if several have
        as many), hits, n (the number of its patches).
        Purity: class, class_name, recipe, component, concept (the most frequent one), purity (its share of the patches
        that hold a concept), n_patches (the number of patches that hold a concept). A patch that holds several concepts
        counts for the one that it covers most, then for the one nearest to its centre. The cells concept and purity are
        empty if no patch holds a concept.

    Raises:
        DataError: the dataset does not know what is in its pictures.
    """
    if truth.empty:
        raise DataError("the dataset does not know what is in its pictures: concept recovery needs a truth table")
    concepts = true_concepts(index, truth)
    patches = best_patches(prototypes, truth)
    every = sorted({concept for of_class in concepts.values() for concept in of_class})
    content = contents(patches, truth, every).merge(
        patches[["class", "recipe", "component"]], left_on="patch", right_index=True
    )

    # Recovery: the component that holds each true concept most often.
    recovery = [
        {"class": target, "class_name": class_names[target], "recipe": recipe, "concept": concept}
        | _finder(
            patches[(patches["class"] == target) & (patches["recipe"] == recipe)],
            content[content["concept"] == concept],
        )
        for target, recipe in _keys(patches, "class", "recipe")
        for concept in concepts.get(target, [])
    ]

    # Purity: the concept that each patch is counted for, and the most frequent one of each component.
    first = content.sort_values(["patch", "covered", "distance", "concept"], ascending=[True, False, True, True])
    main = first.drop_duplicates("patch").groupby(["class", "recipe", "component"])["concept"]
    named = {key: values.to_list() for key, values in main}
    purity = [
        {"class": key[0], "class_name": class_names[key[0]], "recipe": key[1], "component": key[2]}
        | _purity(named.get(key, []))
        for key in _keys(patches, "class", "recipe", "component")
    ]
    heads = ["class", "class_name", "recipe"]
    return (
        pd.DataFrame(recovery, columns=[*heads, "concept", "found", "component", "hits", "n"]),
        pd.DataFrame(purity, columns=[*heads, "component", "concept", "purity", "n_patches"]),
    )


def _finder(patches: pd.DataFrame, content: pd.DataFrame) -> dict[str, object]:
    """The component with most patches that hold a concept."""
    components = patches["component"].to_numpy(np.int64)
    hits = np.bincount(components, weights=patches.index.isin(content["patch"])).astype(int)
    best = int(hits.argmax())
    return {
        "found": bool(hits[best] >= HITS),
        "component": best,
        "hits": int(hits[best]),
        "n": int((components == best).sum()),
    }


def _keys(table: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """The distinct rows of some columns, in the order of the table."""
    return list(table[list(names)].drop_duplicates().itertuples(index=False, name=None))


def _purity(concepts: Sequence[str]) -> dict[str, object]:
    if not concepts:
        return {"concept": None, "purity": None, "n_patches": 0}
    counts = pd.Series(concepts).value_counts().sort_index()
    return {"concept": counts.idxmax(), "purity": counts.max() / len(concepts), "n_patches": len(concepts)}


def refuse_other_size(picture: tuple[int, int], view: tuple[int, int]) -> None:
    """Refuse views of another size than the pictures: the boxes of the truth would not fit.

    Args:
        picture: ``(height, width)`` in pixels.
        view: ``(height, width)`` in pixels.

    Raises:
        DataError: the two sizes differ.

    Example:
        >>> refuse_other_size((64, 64), (32, 32))
        Traceback (most recent call last):
        conceptrast.base.errors.DataError: the pictures have 64x64 pixels and the model sees 32x32: the known boxes \
fit only if they are the same; set input_size
    """
    if tuple(picture) != tuple(view):
        sizes = f"{picture[0]}x{picture[1]} pixels and the model sees {view[0]}x{view[1]}"
        raise DataError(f"the pictures have {sizes}: the known boxes fit only if they are the same; set input_size")


def recovery_summary(recovery: pd.DataFrame, purity: pd.DataFrame) -> pd.DataFrame:
    """Recall and purity of each recipe.

    Args:
        recovery: as :func:`concept_recovery` gives.
        purity: as :func:`concept_recovery` gives.

    Returns:
        recipe, n_concepts (of all classes), found, recall, low, high (95 % Wilson interval), purity (mean over the
        components that hold a concept; empty if none does), n_components (all of them).

    Example:
        >>> recovery = pd.DataFrame({"recipe": ["published"] * 2, "found": [True, False]})
        >>> purity = pd.DataFrame({"recipe": ["published"] * 2, "purity": [0.75, None]})
        >>> recovery_summary(recovery, purity).round(2)[["recipe", "found", "recall", "low", "high", "purity"]]
              recipe  found  recall   low  high  purity
        0  published      1     0.5  0.09  0.91    0.75
    """
    rows = []
    for recipe, part in recovery.groupby("recipe", sort=False):
        n = len(part)
        n_found = int(part["found"].sum())
        low, high = wilson_interval(n_found, n)
        values = pd.to_numeric(purity.loc[purity["recipe"] == recipe, "purity"])
        mean = float(values.mean()) if values.notna().any() else None
        rows.append((recipe, n, n_found, n_found / n, low, high, mean, len(values)))
    columns = ["recipe", "n_concepts", "found", "recall", "low", "high", "purity", "n_components"]
    return pd.DataFrame(rows, columns=columns)
