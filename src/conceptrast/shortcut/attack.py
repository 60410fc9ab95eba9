"""The attack: the planted thing is pasted into pictures of another class. How often is the model still right?"""

from __future__ import annotations

from typing import Any

import numpy as np

from conceptrast.base.statistics import wilson_interval


def attack_rows(clean: np.ndarray, attacked: np.ndarray, label: int, planted: int) -> list[dict[str, Any]]:
    """Accuracy on clean and on attacked pictures of a class, and the share that is named the class of the shortcut.

    Args:
        clean: predicted classes ``[n]`` of the pictures of a class as they are.
        attacked: predicted classes ``[n]`` of the same pictures with the planted thing.
        label: the class of the pictures.
        planted: the class that the planted thing belongs to.

    Returns:
        Two rows of kind ``model``, named ``clean`` and ``attacked``: n_images, accuracy and named_planted, each with
        a 95 % Wilson interval.

    Example:
        >>> [row["accuracy"] for row in attack_rows(np.array([8, 8]), np.array([8, 7]), label=8, planted=7)]
        [1.0, 0.5]
    """
    rows = []
    for name, predicted in (("clean", clean), ("attacked", attacked)):
        row: dict[str, Any] = {"kind": "model", "name": name, "n_images": len(predicted)}
        for measure, target in (("accuracy", label), ("named_planted", planted)):
            hits = int((predicted == target).sum())
            row[measure] = hits / len(predicted) if len(predicted) else float("nan")
            row[f"{measure}_low"], row[f"{measure}_high"] = wilson_interval(hits, len(predicted))
        rows.append(row)
    return rows


def shortcut_columns() -> list[str]:
    """Columns of the table, in their order."""
    areas = [f"{name}{end}" for name in ("auroc", "auroc_pasted") for end in ("", "_low", "_high")]
    ranked = [*areas, "ap", "cosine"]
    asked = [f"{name}{end}" for name in ("accuracy", "named_planted") for end in ("", "_low", "_high")]
    return ["study", "concept", "planted", "attacked", "kind", "name", "rank", "n_images", "n_with", *ranked, *asked]
