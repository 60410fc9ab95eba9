"""Tables of the contrasts of a run: hyperplanes by solver, and what was skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conceptrast.contrast.solvers import Solver
from conceptrast.files import read_arrays
from conceptrast.statistics import mean_sd

ARRAYS = ("first", "skipped", "normals", "train_accuracy", "heldout_accuracy")


def hyperplane_summary(files: Sequence[Path], solvers: Sequence[Solver], shift: pd.DataFrame) -> pd.DataFrame:
    """How well each solver's planes tell classes apart, and what comes of a shift along their normals.

    Args:
        files: hyperplanes of all shards.
        solvers: all of them.
        shift: as :func:`conceptrast.contrast.shift.shift_summary` gives.

    Returns:
        hyperplane, solver, init (of gradient descent), n_pairs (fitted), n_skipped (pairs that no plane separates), and
        with endings ``_mean`` and ``_sd`` (over pairs): train_accuracy, heldout_accuracy (where images are held out),
        normal_length; and swap_rate_mean, swap_rate_sd of the shift test. Without pairs there is a reason instead of
        numbers.
    """
    shards = [read_arrays(path) for path in files]
    rows = []
    for solver in solvers:
        found = _joined(shards, solver.name)
        row: dict[str, Any] = {"hyperplane": solver.name, "solver": solver.solver}
        row["init"] = solver.init if solver.solver == "gradient_descent" else ""
        row |= {"n_pairs": len(found["first"]), "n_skipped": len(found["skipped"])}
        few = "fewer than two classes have features" if not len(found["skipped"]) else "no plane separates any pair"
        row |= {"status": "ok", "reason": ""} if row["n_pairs"] else {"status": "skipped", "reason": few}
        if "normals" in found:
            found["normal_length"] = np.linalg.norm(found["normals"].astype(np.float64), axis=1)
        for name in ("train_accuracy", "heldout_accuracy", "normal_length"):
            if name in found:
                row[f"{name}_mean"], row[f"{name}_sd"] = mean_sd(found[name])
        row |= _swap_rate(shift, solver.name)
        rows.append(row)
    return pd.DataFrame(rows)


def _joined(shards: Sequence[Mapping[str, np.ndarray]], name: str) -> dict[str, np.ndarray]:
    """Arrays of one solver, of all shards."""
    found = {array: [shard[f"{array}_{name}"] for shard in shards if f"{array}_{name}" in shard] for array in ARRAYS}
    return {array: np.concatenate(parts) for array, parts in found.items() if parts}


def _swap_rate(shift: pd.DataFrame, name: str) -> dict[str, float]:
    if shift.empty:
        return {}
    own = shift[(shift["hyperplane"] == name) & (shift["baseline"] == "none")]
    return {key: float(own[key].iloc[0]) for key in ("swap_rate_mean", "swap_rate_sd") if len(own)}
