"""Compare runs that differ in their seed: every metric, and every claim of the documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from conceptrast.base.files import write_table
from conceptrast.steps.runner import run
from conceptrast.verification.claims import read_claims
from conceptrast.verification.repetition import claims_by_seed, spread
from conceptrast.verification.results import Results, results_in


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Metrics and folder of tables of every run, in the order of the settings."""

    metrics: list[Path]
    folders: list[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``seeds.csv`` and ``claims.csv``."""

    tables: list[Path]


def main(settings: dict[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Write both tables. Settings: runs (repeated, run, seed of each), claims (their file), digest (of that file)."""
    # What the runs came to, by the name of the repeated run and its seed.
    results: dict[tuple[str, str], dict[int, Results]] = {}
    for place, metrics, folder in zip(settings["runs"], inputs.metrics, inputs.folders, strict=True):
        files = {path.name: path.read_bytes() for path in [metrics, *sorted(folder.glob("*.csv"))]}
        by_seed = results.setdefault((place["repeated"], place["run"]), {})
        by_seed[place["seed"]] = results_in(f"seed {place['seed']}", files)

    # Tables.
    claims = read_claims(Path(settings["claims"]))
    spreads = []
    verdicts = []
    for (repeated, name), by_seed in results.items():
        numbers = spread({seed: outcome.metrics for seed, outcome in by_seed.items()})
        spreads.append(numbers.assign(repeated=repeated))
        verdicts.append(claims_by_seed(claims, name, by_seed).assign(repeated=repeated))
    for tables, path in zip((spreads, verdicts), outputs.tables, strict=True):
        table = pd.concat(tables, ignore_index=True)
        write_table(table[["repeated", *table.columns.drop("repeated")]], path)


if __name__ == "__main__":
    run(main)
