"""The mask tests of a study in the form of its files: one table, and the examples for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from conceptrast.contrast.mask import MaskTest
from conceptrast.contrast.pairs import Pair, skipped_rows

COLUMNS = ["from_class", "to_class", "baseline", "status", "reason", "share", "p_from", "p_to"]


def mask_table(tests: Sequence[MaskTest], skipped: Mapping[Pair, str]) -> pd.DataFrame:
    """The probabilities of both classes at every share of hidden places. A skipped pair has one row with the reason.

    Args:
        tests: the tests of all pairs that have a hyperplane.
        skipped: the reasons for the pairs that have no hyperplane.

    Returns:
        :data:`COLUMNS`.
    """
    parts = [test.rows.assign(from_class=test.pair[0], to_class=test.pair[1], status="ok", reason="") for test in tests]
    return pd.concat([*parts, skipped_rows(skipped).assign(baseline="none")], ignore_index=True).reindex(
        columns=COLUMNS
    )


def mask_arrays(tests: Sequence[MaskTest]) -> dict[str, np.ndarray]:
    """The order in which places are hidden, for one image of each pair.

    Returns:
        pair ``[P, 2]``, image ``[P]``, positions ``[P]`` (number of places of all images), ranks ``[P, h, w]``.
    """
    return {
        "pair": np.array([test.pair for test in tests], np.int64).reshape(-1, 2),
        "image": np.array([test.image for test in tests], np.int64),
        "positions": np.array([test.positions for test in tests], np.int64),
        "ranks": np.array([test.ranks for test in tests], np.int64),
    }
