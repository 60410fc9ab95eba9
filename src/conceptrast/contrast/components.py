r"""Contrastive components: the concepts that speak for A and against B, and those that speak for B and against A.

Notation: ``a`` activations ``[N, C, h, w]`` of one class's images; ``d`` signed distances ``[N, h, w]`` to the
hyperplane between A and B, negative on A's side; ``H`` components ``[k, C]``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from conceptrast.base.progress import progress
from conceptrast.concepts.class_factorization import weighted_rows
from conceptrast.concepts.nmf import (
    Factorization,
    NothingToFactorizeError,
    as_rows,
    reconstruction_error,
    refuse_negative,
)
from conceptrast.concepts.nmf_batched import BATCH_BYTES
from conceptrast.concepts.nmf_solvers import factorizations, in_batches
from conceptrast.contrast.hyperplane_shards import Planes
from conceptrast.contrast.hyperplanes import Hyperplane
from conceptrast.contrast.pairs import Pair, skipped_pairs

SIDES = ("for", "against")
"""``for`` means A's images on A's side; ``against`` means B's images on B's side."""


@dataclass(frozen=True)
class ContrastiveComponents:
    """Components of one class on its own side of a hyperplane, strongest first.

    Attributes:
        components: ``[k, C]`` float32, not negative.
        strength: ``[k]`` each component's share of the factorized mass.
        error: relative Frobenius error of the factorization.
        removed: the share of the weighted activations that rectifying took away.
    """

    components: np.ndarray
    strength: np.ndarray
    error: float
    removed: float


def own_side(plane: Hyperplane, activations: Tensor) -> np.ndarray:
    r"""How far each position lies on the first class's side: ``[N, h, w]``, 0 on the other side.

    .. math:: \max(-d_{n y x}, 0)

    Pass ``plane.reversed()`` for images of the second class.

    Source: the published code flips the normal and keeps the bias, which moves the plane. We follow the geometry: a
    position lies on one side only.

    Example:
        >>> import torch
        >>> plane = Hyperplane(np.array([1.0], np.float32), -3.0)
        >>> own_side(plane, torch.tensor([[[[1.0, 5.0]]]])).tolist()
        [[[2.0, 0.0]]]
    """
    return np.maximum(-plane.distances(activations).cpu().numpy(), 0)


def contrastive_components(
    activations: Tensor, plane: Hyperplane, n_components: int = 6, seed: int = 0, rectify: bool = False
) -> ContrastiveComponents:
    r"""Factorize a class's activations, weighted by how far each position lies on the class's side.

    .. math:: V_{(n, y, x), c} = \max(-d_{n y x}, 0) \, a_{n c y x} \approx (W H)_{(n, y, x), c}, \qquad
        s_j = \frac{\sum_i W_{i j} \sum_c H_{j c}}{\sum_{i, j', c} W_{i j'} H_{j' c}}

    Args:
        activations: ``[N, C, h, w]`` of the class that ``plane`` has on its negative side.
        plane: between the class and another one.
        n_components: ``k``.
        seed: the seed of the factorization.
        rectify: whether negative activations are set to zero; if not, they raise an error.

    Returns:
        Components in the order of their strength :math:`s`.

    Raises:
        LayerError: activations are negative and ``rectify`` is off.
        NothingToFactorizeError: no position lies on the class's side.
        ConfigError: there are more components than positions.
        ConceptrastError: the normal is zero.

    Source: arXiv 2502.03422, contrastive concept extraction.

    Example:
        >>> import torch
        >>> activations = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 2)
        >>> result = contrastive_components(activations, Hyperplane(np.array([-1.0, -1.0], np.float32), 0.0), 2)
        >>> result.strength.round(3).tolist(), (result.components > 0.01).tolist()
        ([0.8, 0.2], [[True, False], [False, True]])
    """
    rows, removed = side_rows(activations, plane, rectify)
    [factorization] = factorizations([rows], n_components, seed)
    return strongest_first(rows, factorization, removed)


def side_rows(activations: Tensor, plane: Hyperplane, rectify: bool = False) -> tuple[np.ndarray, float]:
    """The rows that are factorized for a class on its side of a plane, and the share that rectifying takes away.

    Args:
        activations: ``[N, C, h, w]`` of the class that ``plane`` has on its negative side.
        plane: between the class and another one.
        rectify: whether negative activations are set to zero; if not, they raise an error.

    Returns:
        ``[N h w, C]`` float32, and the removed share.

    Raises:
        LayerError: activations are negative and ``rectify`` is off.
        NothingToFactorizeError: no position lies on the class's side.
        ConceptrastError: the normal is zero.
    """
    if not rectify:
        # This check comes before the weighting, which would hide negative activations on the other side.
        refuse_negative(float((activations < 0).float().mean()), "activations")
    weights = own_side(plane, activations)[:, None]
    rows, removed = weighted_rows(activations.cpu(), weights, rectify)
    return as_rows(rows), removed


def strongest_first(rows: np.ndarray, factorization: Factorization, removed: float) -> ContrastiveComponents:
    """The components of a factorization in the order of their strength.

    Args:
        rows: ``[n, C]``, what was factorized.
        factorization: of ``rows``.
        removed: the share of the activations that rectifying took away.
    """
    components, codes = factorization
    mass = codes.sum(axis=0, dtype=np.float64) * components.sum(axis=1, dtype=np.float64)
    order = np.argsort(-mass, kind="stable")
    strength = mass[order] / mass.sum() if mass.sum() > 0 else mass[order]
    return ContrastiveComponents(
        components=components[order],
        strength=strength,
        error=reconstruction_error(rows, components, codes),
        removed=removed,
    )


def contrast_sets(
    classes: Iterable[tuple[int, Tensor]],
    planes: Mapping[str, Mapping[Pair, Hyperplane]],
    n_components: int = 6,
    seed: int = 0,
    rectify: bool = False,
    names: Sequence[str] = (),
    solver: str = "batched",
) -> dict[str, np.ndarray]:
    """Contrastive components of both sides, for many hyperplanes.

    Args:
        classes: each class once, with the activations ``[N, C, h, w]`` of its images.
        planes: the hyperplanes by baseline (``none``, or the name of a chance row) and pair.
        n_components: of each side.
        seed: the seed of the factorizations.
        rectify: see :func:`contrastive_components`.
        names: the names of the model's classes, for the progress display.
        solver: see :func:`~conceptrast.concepts.nmf_solvers.factorizations`.

    Returns:
        Arrays by name, with one row for each set: first ``[S]``, second ``[S]``, baseline ``[S]``, side ``[S]``,
        components ``[S, k, C]``, strength ``[S, k]``, error ``[S]``, removed ``[S]``. Sides with nothing to factorize
        have skipped ``[T, 2]`` (the pair), skipped_baseline ``[T]`` and skipped_reason ``[T]``.
    """
    # Components of every class on its side of each of its planes.
    heads: list[tuple[int, int, str, str]] = []
    results: list[ContrastiveComponents] = []
    skipped: list[tuple[int, int, str, str]] = []
    sides = _sides(classes, planes, rectify=rectify, names=names, skipped=skipped)
    for batch in in_batches(sides, size=lambda side: side.rows.nbytes, most=BATCH_BYTES):
        heads += [side.head for side in batch]
        factors = factorizations([side.rows for side in batch], n_components, seed, solver)
        results += [
            strongest_first(side.rows, factorization, side.removed)
            for side, factorization in zip(batch, factors, strict=True)
        ]

    # The same as arrays.
    types = (("first", np.int64), ("second", np.int64), ("baseline", np.str_), ("side", np.str_))
    columns = list(zip(*heads, strict=True)) or [()] * len(types)
    missing = list(zip(*skipped, strict=True)) or [()] * 4
    return {
        **{name: np.array(column, kind) for (name, kind), column in zip(types, columns, strict=True)},
        "components": np.array([result.components for result in results], np.float32).reshape(
            len(results), n_components, -1 if results else 0
        ),
        "strength": np.array([result.strength for result in results], np.float64).reshape(len(results), n_components),
        "error": np.array([result.error for result in results], np.float64),
        "removed": np.array([result.removed for result in results], np.float64),
        "skipped": np.array(missing[:2], np.int64).T.reshape(-1, 2),
        "skipped_baseline": np.array(missing[2], np.str_),
        "skipped_reason": np.array(missing[3], np.str_),
    }


class _Side(NamedTuple):
    """A class on its side of one plane: the names of the set, and its rows."""

    head: tuple[int, int, str, str]
    rows: np.ndarray
    removed: float


def _sides(
    classes: Iterable[tuple[int, Tensor]],
    planes: Mapping[str, Mapping[Pair, Hyperplane]],
    *,
    rectify: bool,
    names: Sequence[str],
    skipped: list[tuple[int, int, str, str]],
) -> Iterator[_Side]:
    """The rows of every class on its side of each plane; sides without any go to ``skipped`` with the reason."""
    for target, activations in classes:
        contrasts = [
            (baseline, pair, plane)
            for baseline, by_pair in planes.items()
            for pair, plane in by_pair.items()
            if target in pair
        ]
        what = f"contrasting {names[target] if names else f'class {target}'}"
        for baseline, pair, plane in progress(contrasts, what, len(contrasts), "planes"):
            side, plane_of_class = (SIDES[0], plane) if pair[0] == target else (SIDES[1], plane.reversed())
            try:
                rows, removed = side_rows(activations, plane_of_class, rectify)
            except NothingToFactorizeError as error:
                skipped.append((*pair, baseline, f"no position lies on the side of class {target}: {error}"))
            else:
                yield _Side((*pair, baseline, side), rows, removed)


def set_names(sets: Mapping[str, np.ndarray], prototypes: pd.DataFrame) -> pd.DataFrame:
    """Replace the number of each prototype's set by its names.

    Args:
        sets: as :func:`contrast_sets` gives.
        prototypes: as :func:`conceptrast.concepts.class_prototypes.set_prototypes` gives for ``sets["components"]``.

    Returns:
        The columns first, second, baseline and side, then the prototypes' columns without ``set``.

    Example:
        >>> sets = {"first": [3, 3], "second": [5, 5], "baseline": ["none"] * 2, "side": ["for", "against"]}
        >>> sets = {name: np.array(values) for name, values in sets.items()}
        >>> set_names(sets, pd.DataFrame({"set": [1], "image": [70]})).values.tolist()
        [[3, 5, 'none', 'against', 70]]
    """
    rows = prototypes["set"].to_numpy()
    names = {name: sets[name][rows] for name in ("first", "second", "baseline", "side")}
    return pd.concat([pd.DataFrame(names, index=prototypes.index), prototypes.drop(columns="set")], axis=1)


def set_owners(sets: Mapping[str, np.ndarray]) -> np.ndarray:
    """The class that each set speaks for: ``[S]``.

    Example:
        >>> set_owners({"first": np.array([3, 3]), "second": np.array([5, 5]), "side": np.array(["for", "against"])})
        array([3, 5])
    """
    return np.where(sets["side"] == SIDES[0], sets["first"], sets["second"])


def sides_of(pair: Pair, first: np.ndarray, second: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The side of each set as seen from a pair, contrasted in either order; empty for sets of other pairs.

    Example:
        >>> sides_of((5, 3), np.array([3, 3]), np.array([5, 7]), np.array(["for", "for"])).tolist()
        ['against', '']
    """
    turned = np.where(side == SIDES[0], SIDES[1], SIDES[0])
    same = (first == pair[0]) & (second == pair[1])
    flipped = (first == pair[1]) & (second == pair[0])
    return np.where(same, side, np.where(flipped, turned, ""))


def by_side(sets: Mapping[str, np.ndarray], name: str, pair: Pair) -> dict[str, np.ndarray]:
    """An array of both sides of a pair, for example ``strength``; chance rows are ignored.

    Args:
        sets: as :func:`contrast_sets` gives.
        name: the name of the array.
        pair: the pair of classes.

    Returns:
        The array's row by side, as seen from the pair; empty for a pair that was not contrasted.

    Example:
        >>> sets = {"first": [3, 3], "second": [5, 5], "baseline": ["none"] * 2, "side": ["for", "against"]}
        >>> sets = {name: np.array(values) for name, values in {**sets, "error": [0.1, 0.2]}.items()}
        >>> {side: float(error) for side, error in by_side(sets, "error", (5, 3)).items()}
        {'for': 0.2, 'against': 0.1}
    """
    sides = np.where(sets["baseline"] == "none", sides_of(pair, sets["first"], sets["second"], sets["side"]), "")
    return {side: sets[name][sides == side][0] for side in SIDES if (sides == side).any()}


def plane_of(sets: Mapping[str, np.ndarray], planes: Mapping[Pair, Hyperplane], pair: Pair) -> Hyperplane:
    """The plane of a contrasted pair, seen from its first class, even if the pair was contrasted in the other order.

    Args:
        sets: as :func:`contrast_sets` gives.
        planes: the hyperplanes by pair, of both orders.
        pair: the pair of classes.

    Example:
        >>> sets = {"first": np.array([3]), "second": np.array([5]), "baseline": np.array(["none"])}
        >>> plane_of(sets, {(3, 5): Hyperplane(np.array([2.0]), 1.0)}, (5, 3))
        Hyperplane(normal=array([-2.]), bias=-1.0)
    """
    same = (sets["first"] == pair[0]) & (sets["second"] == pair[1]) & (sets["baseline"] == "none")
    return planes[pair] if same.any() else planes[pair[::-1]].reversed()


def patches_of_pair(prototypes: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """Patches of both sides of a pair, over all images, with the side as seen from the pair.

    Args:
        prototypes: as :func:`set_names` gives.
        pair: the pair of classes.
    """
    patches = prototypes[(prototypes["baseline"] == "none") & (prototypes["selection"] == "all")]
    sides = sides_of(pair, *(patches[name].to_numpy() for name in ("first", "second", "side")))
    return patches.assign(side=sides)[sides != ""]


def pair_table(
    pairs: Sequence[Pair], names: Sequence[str], planes: Planes, usable: Collection[int], sets: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """A row for every named pair: its hyperplane and its factorizations, or the reason why it is skipped.

    Args:
        pairs: the pairs, in the order of the table.
        names: the names of the classes.
        planes: the hyperplanes of the pairs.
        usable: the classes with features.
        sets: as :func:`contrast_sets` gives.

    Returns:
        from_class, from_name, to_class, to_name, status (``ok`` or ``skipped``), reason, train_accuracy and
        heldout_accuracy (of features), normal_length, and, of both factorizations, error_for and error_against
        (relative), and removed_for and removed_against (the share that rectifying took away).
    """
    # The reasons why pairs are skipped: no features, no plane, or nothing to factorize.
    reasons = skipped_pairs(pairs, names, usable, planes.skipped)
    real = sets["skipped_baseline"] == "none"
    for (first, second), reason in zip(
        sets["skipped"][real].tolist(), sets["skipped_reason"][real].tolist(), strict=True
    ):
        for ordered in ((first, second), (second, first)):
            reasons.setdefault(ordered, reason)

    # A row for every pair.
    rows = []
    for pair in pairs:
        row: dict[str, Any] = {}
        for end, target in zip(("from", "to"), pair, strict=True):
            row |= {f"{end}_class": target, f"{end}_name": names[target]}
        row |= {"status": "skipped" if pair in reasons else "ok", "reason": reasons.get(pair, "")}
        if pair not in reasons:
            row |= planes.accuracy[pair] | {"normal_length": plane_of(sets, planes, pair).length}
            for name in ("error", "removed"):
                row |= {f"{name}_{side}": float(value) for side, value in by_side(sets, name, pair).items()}
        rows.append(row)
    return pd.DataFrame(rows)
