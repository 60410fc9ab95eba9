"""Tables of the contrasts of a run: hyperplanes by solver, and rows that say why numbers are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.base.files import read_optional
from conceptrast.base.statistics import mean_sd
from conceptrast.contrast.hyperplane_solvers import Solver

NUMBERS = {"train_accuracy": "train_accuracy", "heldout_accuracy": "heldout_accuracy", "lengths": "normal_length"}
"""The arrays of a solver whose mean and standard deviation the table gives, and their names in the table."""

NO_PAIRS = "no pair of classes has features and a plane between them: see contrast_classes.csv; lower min_images"


def hyperplane_summary(files: Sequence[Path], solvers: Sequence[Solver], shift: pd.DataFrame) -> pd.DataFrame:
    """How well each solver's planes tell classes apart, and how a shift along their normals ends.

    Args:
        files: the files with the hyperplanes of all shards.
        solvers: all solvers.
        shift: as :func:`conceptrast.contrast.shift.shift_summary` gives.

    Returns:
        hyperplane, solver, init (of gradient descent), n_pairs (unordered, with a plane), n_skipped (without one),
        status (``ok``, or ``skipped`` without pairs), reason, and with endings ``_mean`` and ``_sd``
        (over planes): train_accuracy, heldout_accuracy (where images are held out), normal_length; and swap_rate_mean,
        swap_rate_sd of the shift test.
    """
    rows = []
    for solver in solvers:
        arrays = _arrays_of(files, solver.name)
        pairs = np.sort(np.stack([arrays["first"], arrays["second"]], axis=1), axis=1)
        row: dict[str, Any] = {"hyperplane": solver.name, "solver": solver.solver}
        row["init"] = solver.init if solver.solver == "gradient_descent" else ""
        row |= {"n_pairs": len(np.unique(pairs, axis=0)), "n_skipped": len(arrays["skipped"])}
        row |= {"status": "ok", "reason": ""} if row["n_pairs"] else {"status": "skipped", "reason": NO_PAIRS}
        for name, title in NUMBERS.items():
            if name in arrays and arrays[name].size:
                row[f"{title}_mean"], row[f"{title}_sd"] = mean_sd(arrays[name])
        rows.append(row | _swap_rate(shift, solver.name))
    return pd.DataFrame(rows)


def or_skipped(table: pd.DataFrame, reason: str = NO_PAIRS) -> pd.DataFrame:
    """The table with status ``ok``. A table without rows becomes one row with the reason.

    Example:
        >>> or_skipped(pd.DataFrame(), "why").to_dict("records")
        [{'status': 'skipped', 'reason': 'why'}]
        >>> or_skipped(pd.DataFrame({"n": [1]})).to_dict("records")
        [{'n': 1, 'status': 'ok', 'reason': ''}]
    """
    if table.empty:
        return pd.DataFrame([{"status": "skipped", "reason": reason}])
    return table.assign(status="ok", reason="")


def join_shards(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables of all shards as one.

    A table without rows knows no types, so it is left out if another one has rows.

    Example:
        >>> join_shards([pd.DataFrame(columns=["n"]), pd.DataFrame({"n": [1]})])["n"].dtype
        dtype('int64')
    """
    return pd.concat([table for table in tables if len(table)] or list(tables)[:1], ignore_index=True)


def _arrays_of(files: Sequence[Path], name: str) -> dict[str, np.ndarray]:
    """The small arrays of one solver from all shards; the normals stay on the disk."""
    parts: dict[str, list[np.ndarray]] = {}
    for path in files:
        for array in ("first", "second", "skipped", *NUMBERS):
            if (values := read_optional(path, f"{array}_{name}")) is not None:
                parts.setdefault(array, []).append(values)
    return {array: np.concatenate(shards) for array, shards in parts.items()}


def _swap_rate(shift: pd.DataFrame, name: str) -> dict[str, float]:
    if shift.empty:
        return {}
    of_solver = shift[(shift["hyperplane"] == name) & (shift["baseline"] == "none")]
    return {key: float(of_solver[key].iloc[0]) for key in ("swap_rate_mean", "swap_rate_sd") if len(of_solver)}
