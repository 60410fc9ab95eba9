"""The CAVs of a study's concepts as arrays, as ``ace.npz`` holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.ace.concepts import Concepts, concept_table


def strongest_cav(arrays: Mapping[str, np.ndarray], target: int) -> tuple[str, np.ndarray] | None:
    """The CAV of the significant concept that speaks for a class most: the highest TCAV score, then derivative.

    Args:
        arrays: as :func:`cav_arrays` makes and ``ace.npz`` holds.
        target: class index.

    Returns:
        Name of the concept and its CAV ``[C]`` of length 1; nothing if no concept of the class is significant and
        scores above the random CAVs.

    Example:
        >>> arrays = {"classes": np.array([4, 4]), "concepts": np.array(["a", "b"]), "cavs": np.eye(2),
        ...     "significant": np.array([True, True]), "tcav": np.array([1.0, 0.0]), "tcav_random": np.full(2, 0.5),
        ...     "derivative": np.array([0.3, -0.2])}
        >>> strongest_cav(arrays, 4), strongest_cav(arrays, 5)
        (('a', array([1., 0.])), None)
    """
    usable = (arrays["classes"] == target) & arrays["significant"] & (arrays["tcav"] > arrays["tcav_random"])
    if not usable.any():
        return None
    order = np.lexsort([-arrays["derivative"], -arrays["tcav"], ~usable])
    return str(arrays["concepts"][order[0]]), arrays["cavs"][order[0]]


def cav_arrays(found: Sequence[Concepts], names: Sequence[str] | Mapping[int, str]) -> dict[str, np.ndarray]:
    """The kept concepts of all classes as arrays: ``n`` of them, ``D`` draws.

    Args:
        found: one of each class, all with the same shape of segments.
        names: of the model's classes, by index.

    Returns:
        classes ``[n]``, concepts ``[n]`` (names), cavs ``[n, C]`` float32 of length 1, tcav, tcav_random, derivative,
        p_value, p_corrected ``[n]``, significant ``[n]`` bool, scores ``[n, D]``, random_scores ``[n, D]``.
    """
    kept = [each for each in found if each.members]
    tables = [each.table[(each.table["status"] == "ok") & (each.table["baseline"] == "none")] for each in kept]
    whole = pd.concat(tables) if tables else concept_table([])
    draws = found[0].random.size if found else 0
    owners = [each.target for each in kept for _ in each.members]
    labels = [f"{names[owner]}: concept {number}" for owner, number in zip(owners, whole["concept"], strict=True)]
    arrays = {key: whole[key].to_numpy(np.float64) for key in ("tcav", "tcav_random", "derivative")}
    arrays |= {key: whole[key].to_numpy(np.float64) for key in ("p_value", "p_corrected")}
    empty = [np.empty((0, draws))]
    return {
        "classes": np.array(owners, dtype=np.int64),
        "concepts": np.array(labels, dtype=np.str_),
        "cavs": np.concatenate([each.tested.cavs for each in kept] or [np.empty((0, 0))]).astype(np.float32),
        **arrays,
        "significant": whole["significant"].to_numpy(bool),
        "scores": np.concatenate([each.tested.scores for each in kept] or empty),
        "random_scores": np.concatenate([np.tile(each.random, (len(each.members), 1)) for each in kept] or empty),
    }
