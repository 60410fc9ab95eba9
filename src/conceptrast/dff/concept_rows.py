"""The rows of all pictures of a deep feature factorization, together in one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from conceptrast.dff.concept_scores import COLUMNS
from conceptrast.dff.picture_groups import PictureGroup

ALL_PICTURES = "all"
"""Name of several pictures that share their concepts."""


def picture_names(groups: Sequence[PictureGroup], names: Sequence[str]) -> list[str]:
    """One name for each group: the name of its only picture, or :data:`ALL_PICTURES`.

    Args:
        groups: the pictures, in groups.
        names: the names of all pictures, in their order.

    Example:
        >>> import numpy as np
        >>> groups = [PictureGroup(np.arange(n), [], {}, pd.DataFrame()) for n in (1, 2)]
        >>> picture_names(groups, ["a", "b", "c"])
        ['a', 'all']
    """
    group_names = []
    first = 0
    for group in groups:
        group_names.append(names[first] if len(group.images) == 1 else ALL_PICTURES)
        first += len(group.images)
    return group_names


def concept_rows(groups: Sequence[PictureGroup], names: Sequence[str]) -> pd.DataFrame:
    """The rows of all groups, with a column ``picture`` before them."""
    tables = zip(picture_names(groups, names), groups, strict=True)
    table = pd.concat([group.table.assign(picture=name) for name, group in tables], ignore_index=True)
    return table.reindex(columns=["picture", *COLUMNS])


def skipped_rows(n_components: Sequence[int], reason: str) -> pd.DataFrame:
    """The rows for missing pictures: one for each number of concepts, with the reason.

    Example:
        >>> skipped_rows([5, 2], "no picture is a cow")[["n_components", "status"]].values.tolist()
        [[2, 'skipped'], [5, 'skipped']]
    """
    rows = [{"n_components": k, "status": "skipped", "reason": reason} for k in sorted(n_components)]
    return pd.DataFrame(rows).reindex(columns=["picture", *COLUMNS])
