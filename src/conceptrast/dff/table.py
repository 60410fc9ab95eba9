"""The rows of all pictures of a deep feature factorization, together in one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from conceptrast.dff.concept_scores import COLUMNS
from conceptrast.dff.deep_feature_factorization import Factorized

ALL = "all"
"""Name of pictures that share their concepts, where there are several."""


def picture_names(groups: Sequence[Factorized], names: Sequence[str]) -> list[str]:
    """One name a group: that of its only picture, or :data:`ALL`; ``names`` are of all pictures in their order."""
    found, at = [], 0
    for group in groups:
        found.append(names[at] if len(group.images) == 1 else ALL)
        at += len(group.images)
    return found


def concept_rows(groups: Sequence[Factorized], names: Sequence[str]) -> pd.DataFrame:
    """The rows of all groups, with a column ``picture`` before them."""
    tables = zip(picture_names(groups, names), groups, strict=True)
    joined = pd.concat([group.table.assign(picture=name) for name, group in tables], ignore_index=True)
    return joined.reindex(columns=["picture", *COLUMNS])


def skipped_rows(n_components: Sequence[int], reason: str) -> pd.DataFrame:
    """The rows of pictures that are not there: one a number of concepts, with the reason."""
    rows = [{"n_components": k, "status": "skipped", "reason": reason} for k in sorted(n_components)]
    return pd.DataFrame(rows).reindex(columns=["picture", *COLUMNS])
