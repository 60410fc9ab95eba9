"""The CAVs of a study's concepts, as the arrays of ``ace.npz``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.ace.concepts import Concepts, concept_table


def strongest_cav(arrays: Mapping[str, np.ndarray], target: int) -> tuple[str, np.ndarray] | None:
    """The CAV of the significant concept that speaks most for a class: highest TCAV score, then highest derivative.

    Args:
        arrays: as :func:`cav_arrays` makes and ``ace.npz`` holds.
        target: class index.

    Returns:
        The name of the concept and its CAV ``[C]`` of length 1. ``None`` if the class has no concept that is
        significant and scores above the random CAVs.

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


def cav_arrays(concepts: Sequence[Concepts], names: Sequence[str] | Mapping[int, str]) -> dict[str, np.ndarray]:
    """The kept concepts of all classes as arrays, with ``n`` concepts and ``D`` draws.

    Args:
        concepts: the concepts of each class, all with the same shape of segments.
        names: the names of the model's classes, by index.

    Returns:
        classes ``[n]``, concepts ``[n]`` (names), cavs ``[n, C]`` float32 of length 1, tcav, tcav_random, derivative,
        p_value, p_corrected ``[n]``, significant ``[n]`` bool, scores ``[n, D]``, random_scores ``[n, D]``.
    """
    # The rows of all kept concepts.
    tested = [of_class for of_class in concepts if of_class.members]
    tables = [
        of_class.table[(of_class.table["status"] == "ok") & (of_class.table["baseline"] == "none")]
        for of_class in tested
    ]
    whole = pd.concat(tables) if tables else concept_table([])
    owners = [of_class.target for of_class in tested for _ in of_class.members]
    labels = [f"{names[owner]}: concept {number}" for owner, number in zip(owners, whole["concept"], strict=True)]
    arrays = {key: whole[key].to_numpy(np.float64) for key in ("tcav", "tcav_random", "derivative")}
    arrays |= {key: whole[key].to_numpy(np.float64) for key in ("p_value", "p_corrected")}

    # Their CAVs and scores.
    draws = concepts[0].random.size if concepts else 0
    cavs = [of_class.tested.cavs for of_class in tested] or [np.empty((0, 0))]
    scores = [of_class.tested.scores for of_class in tested] or [np.empty((0, draws))]
    random_scores = [np.tile(of_class.random, (len(of_class.members), 1)) for of_class in tested]
    return {
        "classes": np.array(owners, dtype=np.int64),
        "concepts": np.array(labels, dtype=np.str_),
        "cavs": np.concatenate(cavs).astype(np.float32),
        **arrays,
        "significant": whole["significant"].to_numpy(bool),
        "scores": np.concatenate(scores),
        "random_scores": np.concatenate(random_scores or [np.empty((0, draws))]),
    }
