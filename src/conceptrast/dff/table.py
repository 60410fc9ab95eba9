"""A summary of a deep feature factorization for every number of concepts. This module does not import torch."""

from __future__ import annotations

from typing import Any

import pandas as pd

from conceptrast.base.statistics import bootstrap_interval, wilson_interval

THINGS = ("thing_share", "thing_area", "own_class", "other_class")


def dff_summary(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    r"""Sum up the concepts of some pictures, for every number of concepts.

    Args:
        rows: as :func:`~conceptrast.dff.concept_rows.concept_rows` gives them.
        seed: the seed of the bootstrap.

    Returns:
        n_components, status, reason, n_pictures (groups of pictures that were factorized), n_concepts, n_skipped,
        reconstruction_error (mean over groups), agree (share of concepts whose top class is the same for all ways that
        could be asked, with its 95 % Wilson interval low and high), blur (mean drop of the class that falls most),
        blur_chance (mean drop of the same class when a region elsewhere is blurred) and beyond_chance, their mean
        difference with its 95 % bootstrap interval (beyond_low, beyond_high). Where the things in the pictures are
        known: thing_share and thing_area (mean share of a concept's heat in the thing that has most of it, and of a
        heat that is everywhere alike), own_class and other_class (shares of concepts whose class the model gives that
        thing alone, or another one).

    Example:
        >>> rows = pd.DataFrame({"picture": "a", "n_components": 2, "concept": [1, 2], "rank": 1, "status": "ok",
        ...     "reconstruction_error": 0.5, "agree": [True, False], "blur_score": [0.3, 0.1],
        ...     "blur_chance": [0.1, 0.1]})
        >>> dff_summary(rows)[["n_concepts", "agree", "beyond_chance"]].to_numpy().round(3).tolist()
        [[2.0, 0.5, 0.1]]
    """
    numbers = sorted(rows["n_components"].unique().tolist())
    return pd.DataFrame([_summary_row(k, rows[rows["n_components"] == k], seed) for k in numbers])


def _summary_row(k: int, rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    first = rows[(rows["rank"] == 1) & (rows["status"] == "ok")]
    head: dict[str, Any] = {"n_components": k, "status": "ok", "reason": ""}
    if first.empty:
        return head | {"status": "skipped", "reason": str(rows["reason"].iloc[0])}
    # Whether all ways name the same class.
    agreed = int(first["agree"].astype(bool).sum())
    low, high = wilson_interval(agreed, len(first))
    # How much more the concept's region changes than a region elsewhere.
    beyond = (first["blur_score"] - first["blur_chance"]).to_numpy(float)
    beyond_low, beyond_high = bootstrap_interval(beyond, seed=seed)
    # What the factorizations miss.
    groups = first.groupby("picture")["reconstruction_error"].first()
    skipped = rows[rows["status"] != "ok"].groupby("picture")["concept"].nunique()
    return head | {
        "n_pictures": len(groups),
        "n_concepts": len(first),
        "n_skipped": int(skipped.sum()),
        "reconstruction_error": float(groups.mean()),
        "agree": agreed / len(first),
        "low": low,
        "high": high,
        "blur": float(first["blur_score"].mean()),
        "blur_chance": float(first["blur_chance"].mean()),
        "beyond_chance": float(beyond.mean()),
        "beyond_low": beyond_low,
        "beyond_high": beyond_high,
        **{name: float(first[name].astype(float).mean()) for name in THINGS if name in first},
    }
