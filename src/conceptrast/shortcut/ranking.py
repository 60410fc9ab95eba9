r"""How well a direction ranks the pictures that have the planted thing before those that do not.

Notation: ``a`` activations ``[N, C, h, w]`` of a layer, ``u`` a direction ``[C]``, ``p`` positions.

.. math:: s_n = \max_p \frac{\langle u, a_{np} \rangle}{\lVert u \rVert \, \lVert a_{np} \rVert}

The length of the activations does not count, as in the search for the patches that stand for a component: by length,
what the network answers most strongly would come first along every direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from conceptrast.base.errors import ConceptrastError
from conceptrast.base.statistics import auc, auc_interval
from conceptrast.shortcut.directions import Candidate


@dataclass(frozen=True)
class RankedPictures:
    """Activations of the pictures that are ranked.

    Args:
        activations: ``[N, C, h, w]`` of all pictures as they are.
        has: ``[N]`` bool, whether the planted thing is in the picture.
        plain: ``[M, C, h, w]`` of pictures that do not have it.
        pasted: ``[M, C, h, w]`` of the same pictures, with the planted thing pasted in.

    Raises:
        ConceptrastError: fewer than two pictures have the planted thing, or fewer than two do not.
    """

    activations: np.ndarray
    has: np.ndarray
    plain: np.ndarray
    pasted: np.ndarray

    def __post_init__(self) -> None:
        n_with = int(self.has.sum())
        if min(n_with, len(self.has) - n_with, len(self.plain)) < 2:
            raise ConceptrastError(
                f"a shortcut is ranked with two pictures that have it and two that do not at least; {n_with} of "
                f"{len(self.has)} have it"
            )

    @property
    def true_direction(self) -> np.ndarray:
        """``[C]``: the mean activations with the planted thing minus those of the same pictures without it."""
        return (self.pasted - self.plain).mean(axis=(0, 2, 3), dtype=np.float64)


def picture_scores(activations: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The highest cosine of a picture's positions with a direction.

    Args:
        activations: ``[N, C, h, w]``.
        vector: ``[C]``.

    Returns:
        ``[N]``, between -1 and 1; zeros where the direction is zero. A position without activation has cosine 0.

    Example:
        >>> picture_scores(np.array([[[[1.0, 5.0]], [[0.0, 12.0]]]]), np.array([3.0, 4.0])).round(3).tolist()
        [0.969]
    """
    length = float(np.linalg.norm(vector))
    unit = np.asarray(vector, np.float64) / (length or 1.0)
    lengths = np.linalg.norm(activations, axis=1)
    return (np.einsum("c,nchw->nhw", unit, activations) / np.where(lengths > 0, lengths, 1.0)).max(axis=(1, 2))


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """The cosine of the angle between two vectors; 0 if one of them is zero.

    Example:
        >>> cosine(np.array([1.0, 0.0]), np.array([3.0, 4.0]))
        0.6
    """
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.dot(first, second)) / scale if scale > 0 else 0.0


def ranking_rows(
    candidates: Sequence[Candidate], chance: Sequence[Candidate], pictures: RankedPictures
) -> list[dict[str, Any]]:
    """A row for every candidate, one for the true direction, and one for all random directions together.

    Args:
        candidates: the directions of the study.
        chance: random directions.
        pictures: the pictures that are ranked.

    Returns:
        kind, name, n_images (pictures as they are), n_with; auroc (with DeLong's 95 % interval) and ap of pictures as
        they are; auroc_pasted (with its interval), of the same pictures with and without the planted thing; cosine to
        the true direction; rank by auroc_pasted among the directions of the same kind, 1 for the best. In the row of
        chance, values are means over the random directions, and intervals are their 2.5th and 97.5th percentiles.
    """
    true = Candidate("true", "mean with minus without", pictures.true_direction)
    rows = [_row(candidate, pictures) for candidate in (*candidates, true)]
    for row in rows:
        of_kind = [other["auroc_pasted"] for other in rows if other["kind"] == row["kind"]]
        row["rank"] = 1 + sum(area > row["auroc_pasted"] for area in of_kind)
    draws = [_row(candidate, pictures) for candidate in chance]
    row = draws[0] | {"rank": 1, "name": f"mean of {len(draws)} random directions"}
    for name in ("auroc", "auroc_pasted"):
        values = [draw[name] for draw in draws]
        row[f"{name}_low"], row[f"{name}_high"] = np.quantile(values, [0.025, 0.975]).tolist()
    row |= {name: float(np.mean([draw[name] for draw in draws])) for name in ("auroc", "auroc_pasted", "ap")}
    row["cosine"] = float(np.mean([abs(draw["cosine"]) for draw in draws]))
    return [*rows, row]


def _row(candidate: Candidate, pictures: RankedPictures) -> dict[str, Any]:
    scores = picture_scores(pictures.activations, candidate.vector)
    pairs = [picture_scores(activations, candidate.vector) for activations in (pictures.plain, pictures.pasted)]
    pasted_scores = np.concatenate(pairs)
    pasted = np.repeat([0, 1], [len(part) for part in pairs])
    has = pictures.has.astype(int)
    row: dict[str, Any] = {
        "kind": candidate.kind,
        "name": candidate.name,
        "n_images": len(has),
        "n_with": int(has.sum()),
        "ap": float(average_precision_score(has, scores)),
        "cosine": cosine(candidate.vector, pictures.true_direction),
    }
    for name, ranked, labels in (("auroc", scores, has), ("auroc_pasted", pasted_scores, pasted)):
        row[name] = float(auc(ranked, labels))
        row[f"{name}_low"], row[f"{name}_high"] = auc_interval(ranked, labels)
    return row
