r"""Contrast recovery: does the contrast of two classes find the known concept that tells them apart?

This test needs a dataset whose truth is known, and pairs of classes (A, B) that share a concept, for example ``3+7``
and ``3+8``. A's *own* concept is the one that B lacks (``7``). The *shared* concept is in both (``3``).

Notation: ``m`` is the mass ``[N, h, w]`` of A's images. It says how far each position lies on A's side of the
hyperplane, times its mean activation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.base.errors import DataError
from conceptrast.base.statistics import wilson_interval
from conceptrast.concepts.patches import BOX
from conceptrast.concepts.recovery import COUNTED_PATCHES, HITS, concepts_by_class, contents
from conceptrast.contrast.components import SIDES, own_side
from conceptrast.contrast.features import Features
from conceptrast.contrast.hyperplanes import RANDOM_DIRECTION, Hyperplane
from conceptrast.contrast.pairs import Pair
from conceptrast.models.pictures import Pictures


def sharing_pairs(concepts: Mapping[int, Sequence[str]], classes: Sequence[int]) -> dict[Pair, tuple[str, str]]:
    """The own and the shared concept of each ordered pair of classes that share one concept and differ in one.

    Args:
        concepts: true concepts by class, as :func:`conceptrast.concepts.recovery.true_concepts` gives.
        classes: the classes that can be contrasted.

    Example:
        >>> sharing_pairs({0: ["3", "7"], 1: ["3", "8"], 2: ["0", "1"]}, [0, 1, 2])
        {(0, 1): ('7', '3'), (1, 0): ('8', '3')}
    """
    sharing = {}
    for first in classes:
        for second in classes:
            of_first = set(concepts.get(first, ()))
            of_second = set(concepts.get(second, ()))
            only_first = of_first - of_second
            shared = of_first & of_second
            if first != second and len(only_first) == 1 and len(shared) == 1:
                sharing[first, second] = (only_first.pop(), shared.pop())
    return sharing


def sharing_classes(
    pictures: Pictures, truth: pd.DataFrame, bank: Mapping[int, Features]
) -> dict[Pair, tuple[str, str]]:
    """The own and the shared concept of each ordered pair of classes that have features and share a concept.

    Args:
        pictures: the study's images and model.
        truth: image, concept.
        bank: the features by class.
    """
    concepts = concepts_by_class(pictures.table, truth, pictures.model.class_names)
    return sharing_pairs(concepts, list(bank))


def with_a_plane(sharing: Mapping[Pair, tuple[str, str]], planes: Collection[Pair]) -> dict[Pair, tuple[str, str]]:
    """The sharing pairs that have a plane in at least one order.

    Example:
        >>> with_a_plane({(0, 1): ("7", "3"), (1, 0): ("8", "3"), (0, 2): ("7", "3")}, [(1, 0)])
        {(0, 1): ('7', '3'), (1, 0): ('8', '3')}
    """
    return {pair: concepts for pair, concepts in sharing.items() if pair in planes or pair[::-1] in planes}


def side_mass(plane: Hyperplane, activations: Tensor) -> np.ndarray:
    r"""The activation mass on the first class's side.

    .. math:: m_{n y x} = \max(-d_{n y x}, 0) \cdot \frac{1}{C} \sum_c \max(a_{n c y x}, 0)

    Args:
        plane: between the class of the images and another one.
        activations: ``[N, C, h, w]``.

    Returns:
        ``[N, h, w]``.

    Example:
        >>> import torch
        >>> activations = torch.tensor([[[[1.0, 4.0]]]])
        >>> side_mass(Hyperplane(np.array([1.0], np.float32), -3.0), activations).tolist()
        [[[2.0, 0.0]]]
    """
    return own_side(plane, activations) * activations.float().clamp(min=0).mean(1).cpu().numpy()


def mass_in_cells(mass: np.ndarray, boxes: np.ndarray, view: tuple[int, int], cell: int) -> np.ndarray:
    """The mass of each image in the cell that holds its box.

    Args:
        mass: ``[N, h, w]``; the mass of a position is spread evenly over its rectangle of the view.
        boxes: ``[N, 4]`` top, left, height, width in pixels of the view.
        view: ``(H, W)`` of the view.
        cell: the side of a cell in pixels. The cell that counts is the one with the centre of the box.

    Returns:
        ``[N]``.

    Example:
        >>> mass_in_cells(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[33, 2, 20, 20]]), view=(64, 64), cell=32)
        array([3.])
    """
    sides = []
    for axis in (0, 1):
        start = (boxes[:, axis] + boxes[:, axis + 2] / 2)[:, None] // cell * cell
        step = view[axis] / mass.shape[1 + axis]
        edges = step * np.arange(mass.shape[1 + axis] + 1)
        inside = np.minimum(edges[1:], start + cell) - np.maximum(edges[:-1], start)
        sides.append(np.clip(inside, 0, None) / step)
    return np.einsum("nh,nhw,nw->n", sides[0], mass, sides[1])


def mass_of_concepts(
    mass: np.ndarray, boxes: Mapping[str, np.ndarray], view: tuple[int, int], cell: int
) -> pd.DataFrame:
    """The mass in the cells of some concepts, image by image.

    Args:
        mass: ``[N, h, w]`` of A's images.
        boxes: by the name of the column, each image's box of a concept ``[N, 4]``; not a number where it shows none.
        view: ``(H, W)`` of the views.
        cell: side of a cell in pixels.

    Returns:
        A column for each concept, and the place of the image as index. Images that do not show all of them are left
        out. The model may have named a picture A that does not show A's concepts.
    """
    complete = np.flatnonzero(np.all([np.isfinite(of_concept[:, 0]) for of_concept in boxes.values()], axis=0))
    columns = {
        name: mass_in_cells(mass[complete], of_concept[complete], view, cell) for name, of_concept in boxes.items()
    }
    return pd.DataFrame(columns, index=complete)


def boxes_of(truth: pd.DataFrame, images: np.ndarray) -> dict[str, np.ndarray]:
    """The box of each concept in each image ``[N, 4]``; not a number where the image does not show it.

    Args:
        truth: image, concept, top, left, height, width.
        images: ids ``[N]``.

    Example:
        >>> truth = pd.DataFrame({"image": [5], "concept": ["7"], "top": [1], "left": [2], "height": [3], "width": [4]})
        >>> boxes_of(truth, np.array([4, 5]))["7"].tolist()
        [[nan, nan, nan, nan], [1.0, 2.0, 3.0, 4.0]]
    """
    return {
        str(concept): boxes.drop_duplicates("image", keep="last")
        .set_index("image")[list(BOX)]
        .reindex(images)
        .to_numpy(float)
        for concept, boxes in truth[truth["image"].isin(images)].groupby("concept")
    }


def strongest_concepts(prototypes: pd.DataFrame, truth: pd.DataFrame, concepts: Sequence[str]) -> pd.DataFrame:
    """For every contrast, the concept that its strongest telling component holds.

    A component holds a concept if at least :data:`~conceptrast.concepts.recovery.HITS` of its best
    :data:`~conceptrast.concepts.recovery.COUNTED_PATCHES` patches do. Pictures with a faint concept are left out first.

    Args:
        prototypes: contrast (any label), component (strongest first), rank, image, top, left, height, width.
        truth: image, concept, top, left, height, width, faint.
        concepts: the concepts that count.

    Returns:
        The columns contrast, component, concept. A contrast is left out if none of its components holds a concept.

    Raises:
        DataError: nothing is known about what is in the pictures.
    """
    if truth.empty:
        raise DataError("the dataset does not know what is in its pictures: contrast recovery needs a truth table")
    faint = set(truth.loc[truth["faint"].astype(bool), "image"])
    patches = prototypes[~prototypes["image"].isin(faint)].sort_values(["contrast", "component", "rank"], kind="stable")
    patches = patches.groupby(["contrast", "component"], sort=False).head(COUNTED_PATCHES).reset_index(drop=True)
    content = contents(patches, truth, concepts).merge(
        patches[["contrast", "component"]], left_on="patch", right_index=True
    )
    counts = content.groupby(["contrast", "component", "concept"])["patch"].nunique().reset_index(name="hits")
    telling = counts[counts["hits"] >= HITS].sort_values(
        ["contrast", "component", "hits", "concept"], ascending=[True, True, False, True]
    )
    return telling.drop_duplicates("contrast")[["contrast", "component", "concept"]].reset_index(drop=True)


def mass_table(
    classes: Iterable[tuple[int, Tensor]],
    images: Mapping[int, np.ndarray],
    planes: Mapping[str, Mapping[Pair, Hyperplane]],
    sharing: Mapping[Pair, tuple[str, str]],
    truth: pd.DataFrame,
    view: tuple[int, int],
    cell: int,
) -> pd.DataFrame:
    """The mass in the cells of the own and the shared concept, for all ordered pairs of classes that share a concept.

    Args:
        classes: each class with the activations ``[N, C, h, w]`` of its images.
        images: ids ``[N]`` by class.
        planes: the hyperplanes by baseline and pair; one order of each pair is enough.
        sharing: the own and the shared concept by ordered pair.
        truth: image, concept, top, left, height, width.
        view: ``(H, W)`` of the views.
        cell: side of a cell in pixels.

    Returns:
        baseline, from_class (A), to_class (B), image, own, shared.
    """
    parts = []
    for target, activations in classes:
        boxes = boxes_of(truth, images[target])
        nowhere = np.full((len(images[target]), len(BOX)), np.nan)
        for baseline, by_pair in planes.items():
            for pair, plane in by_pair.items():
                # The pair and its plane, as seen from the class of the activations.
                ordered, seen_from = (pair, plane) if pair[0] == target else (pair[::-1], plane.reversed())
                if ordered[0] != target or ordered not in sharing:
                    continue
                # The mass of its images.
                of_pair = dict(
                    zip(("own", "shared"), (boxes.get(name, nowhere) for name in sharing[ordered]), strict=True)
                )
                masses = mass_of_concepts(side_mass(seen_from, activations), of_pair, view, cell)
                parts.append(
                    masses.assign(
                        baseline=baseline,
                        from_class=ordered[0],
                        to_class=ordered[1],
                        image=images[target][masses.index],
                    )
                )
    columns = ["baseline", "from_class", "to_class", "image", "own", "shared"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def strongest_table(
    prototypes: pd.DataFrame, sharing: Mapping[Pair, tuple[str, str]], truth: pd.DataFrame
) -> pd.DataFrame:
    """The concept of the strongest telling component, for all ordered pairs of classes that share a concept.

    Args:
        prototypes: the prototypes of the selection ``all`` and others: first, second, baseline, side, selection,
            component, rank, image, top, left, height, width.
        sharing: the own and the shared concept by ordered pair, of the pairs that have a plane.
        truth: image, concept, top, left, height, width, faint.

    Returns:
        baseline, from_class (A), to_class (B), own (the concept that B lacks), component, concept. The last two are
        empty if no component holds a concept, or if there was nothing to factorize.
    """
    # The pair, as seen from the class that the components speak for.
    kept = prototypes[prototypes["selection"] == "all"]
    forward = kept["side"] == SIDES[0]
    kept = kept.assign(
        from_class=kept["first"].where(forward, kept["second"]), to_class=kept["second"].where(forward, kept["first"])
    )

    # A contrast for every pair and baseline, even if no component holds a concept.
    rows = [
        (baseline, *pair, own_concept)
        for baseline in ("none", RANDOM_DIRECTION)
        for pair, (own_concept, _) in sharing.items()
    ]
    keys = ["baseline", "from_class", "to_class"]
    contrasts = pd.DataFrame(rows, columns=[*keys, "own"])
    numbered = kept.merge(contrasts[keys].reset_index(names="contrast"), on=keys)
    concepts = sorted({concept for pair in sharing.values() for concept in pair})
    strongest = strongest_concepts(numbered, truth, concepts)
    table = contrasts.merge(strongest, left_index=True, right_on="contrast", how="left")
    return table.astype({"component": "Int64"})[[*keys, "own", "component", "concept"]].reset_index(drop=True)


def contrast_recovery_summary(masses: pd.DataFrame, strongest: pd.DataFrame) -> pd.DataFrame:
    """The shares of images and of pairs in which the own concept wins, for the hyperplanes and for random directions.

    Args:
        masses: baseline, from_class, to_class, image, own, shared.
        strongest: baseline, from_class, to_class, own (the concept that B lacks), concept (the concept of the strongest
            telling component; empty if no component holds one).

    Returns:
        baseline, n_images, mass_share (images in which the own concept's cell has more mass), mass_low, mass_high,
        n_pairs, component_share (pairs whose strongest telling component holds the own concept), component_low,
        component_high, n_without (pairs in which no component holds a concept). The intervals are 95 % Wilson
        intervals.

    Example:
        >>> masses = pd.DataFrame({"baseline": "none", "own": [2.0, 1.0], "shared": [1.0, 3.0]})
        >>> strongest = pd.DataFrame({"baseline": ["none"], "own": ["7"], "concept": ["7"]})
        >>> contrast_recovery_summary(masses, strongest)[["mass_share", "component_share"]].iloc[0].tolist()
        [0.5, 1.0]
    """
    rows = []
    for baseline in ("none", RANDOM_DIRECTION):
        images = masses[masses["baseline"] == baseline]
        pairs = strongest[strongest["baseline"] == baseline]
        if images.empty or pairs.empty:
            continue
        more = int((images["own"] > images["shared"]).sum())
        right = int((pairs["concept"] == pairs["own"]).sum())
        row: dict[str, Any] = {"baseline": baseline}
        for name, hits, n in (("mass", more, len(images)), ("component", right, len(pairs))):
            low, high = wilson_interval(hits, n)
            row |= {"n_images" if name == "mass" else "n_pairs": n, f"{name}_share": hits / n}
            row |= {f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"n_without": int(pairs["concept"].isna().sum())})
    return pd.DataFrame(rows)
